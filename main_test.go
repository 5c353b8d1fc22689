package webhook

import (
	"testing"

	"github.com/gowebhook/webhook/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
