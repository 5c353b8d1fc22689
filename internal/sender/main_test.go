package sender

import (
	"os"
	"testing"

	"github.com/gowebhook/webhook/internal/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }
