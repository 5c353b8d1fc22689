package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// document returns a file of docs/.
func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	require.NoError(t, err)
	return string(text)
}

// alertRules returns the rules of docs/alerts.yaml by name, as Prometheus reads them.
func alertRules(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.Parse([]byte(document(t, "alerts.yaml")), false, model.UTF8Validation)
	require.Empty(t, errs)
	require.Len(t, groups.Groups, 1)
	rules := make(map[string]rulefmt.Rule)
	for _, rule := range groups.Groups[0].Rules {
		rules[rule.Alert] = rule
	}
	require.Len(t, rules, 6)
	return rules
}

// checkExpression checks that an expression is valid, and that every metric in it exists and
// has every label that is matched.
func checkExpression(t *testing.T, known map[string]family, expression string) {
	t.Helper()
	parsed, err := parser.ParseExpr(expression)
	if !assert.NoError(t, err, expression) {
		return
	}
	selectors := 0
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		selectors++
		name := selector.Name
		f, found := known[name]
		if base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, ""); !found && known[base].kind == "histogram" {
			f, found = known[base], true
		} else if found && f.kind == "histogram" {
			t.Errorf("%s is a histogram and needs _bucket, _count or _sum: %s", name, expression)
		}
		if !assert.True(t, found, "there is no metric %s: %s", name, expression) {
			return nil
		}
		for _, m := range selector.LabelMatchers {
			if m.Name != "__name__" {
				assert.Contains(t, append(f.labels, "instance", "job"), m.Name, "%s has no such label: %s", name, expression)
			}
		}
		return nil
	})
	assert.Positive(t, selectors, "no metric in %s", expression)
}

func TestEachAlertIsValidAndExplained(t *testing.T) {
	known, page := ofOpenTelemetry(t), document(t, "observability.md")
	for name, rule := range alertRules(t) {
		checkExpression(t, known, rule.Expr)
		assert.Contains(t, []string{"page", "ticket"}, rule.Labels["severity"], name)
		for _, key := range []string{"summary", "description", "runbook_url"} {
			assert.NotEmpty(t, rule.Annotations[key], "%s: %s", name, key)
		}
		_, anchor, _ := strings.Cut(rule.Annotations["runbook_url"], "docs/observability.md#")
		assert.Equal(t, strings.ToLower(name), anchor)
		assert.Regexp(t, `(?m)^### `+name+`$`, page, "docs/observability.md does not say what to do")
	}
}

func TestEveryExpressionOfThePageIsValid(t *testing.T) {
	known := ofOpenTelemetry(t)
	found := regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllStringSubmatch(document(t, "observability.md"), -1)
	assert.Len(t, found, 2)
	for _, block := range found {
		checkExpression(t, known, block[1])
	}
}

func TestThePageListsEveryMetricWithBothNames(t *testing.T) {
	page := document(t, "observability.md")
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(ofOpenTelemetry(t))) {
		if !strings.Contains(page, "`"+name+"`") {
			missing = append(missing, name)
		}
	}
	assert.Empty(t, missing)
}

// Each alert is quiet just below its threshold and at it, and fires just above it.
func TestEachAlertFiresAboveItsThreshold(t *testing.T) {
	const perMinute = 1.0 / 60
	attempts := func(success, failed float64) recording {
		return recording{
			`webhook_attempts_total{outcome="success", job="app"}`:                     rising(success),
			`webhook_attempts_total{outcome="retry", error_type="timeout", job="app"}`: rising(failed),
		}
	}
	calls := func(failed float64) recording {
		return recording{
			`webhook_store_duration_seconds_count{operation="settle", job="app"}`:                      rising(1 - failed),
			`webhook_store_duration_seconds_count{operation="settle", error_type="_OTHER", job="app"}`: rising(failed),
			`webhook_store_duration_seconds_count{operation="publish", job="app"}`:                     rising(100),
		}
	}
	for _, tc := range []struct {
		name   string
		alert  string
		past   recording
		firing bool
	}{
		{"old", "WebhookQueueOld", recording{`webhook_queue_oldest_due_age_seconds{instance="a"}`: constant(301)}, true},
		{"old in one of the answers", "WebhookQueueOld", recording{
			`webhook_queue_oldest_due_age_seconds{instance="a"}`: constant(0), `webhook_queue_oldest_due_age_seconds{instance="b"}`: constant(301),
		}, true},
		{"at the limit", "WebhookQueueOld", recording{`webhook_queue_oldest_due_age_seconds{instance="a"}`: constant(300)}, false},
		{"old for a moment", "WebhookQueueOld", recording{`webhook_queue_oldest_due_age_seconds{instance="a"}`: until(38*time.Minute, 0, 301)}, false},
		{"unseen", "WebhookQueueUnseen", recording{`up{instance="a"}`: constant(1)}, true},
		{"seen", "WebhookQueueUnseen", recording{`webhook_queue_depth{state="due"}`: constant(0)}, false},
		{"failing store", "WebhookStoreFailing", calls(0.06), true},
		{"at the limit", "WebhookStoreFailing", calls(0.05), false},
		{"healthy store", "WebhookStoreFailing", calls(0), false},
		{"pending", "WebhookResultsPending", recording{`webhook_settle_pending{instance="a"}`: constant(1001)}, true},
		{"at the limit", "WebhookResultsPending", recording{`webhook_settle_pending{instance="a"}`: constant(1000)}, false},
		{"lost", "WebhookLeasesLost", recording{`webhook_lease_lost_total{instance="a"}`: rising(perMinute)}, true},
		{"few lost", "WebhookLeasesLost", recording{`webhook_lease_lost_total{instance="a"}`: rising(perMinute / 2)}, false},
		{"none lost since a burst", "WebhookLeasesLost", recording{`webhook_lease_lost_total{instance="a"}`: constant(5000)}, false},
		{"most fail", "WebhookAttemptsFailing", attempts(0.49, 0.51), true},
		{"half of them fail", "WebhookAttemptsFailing", attempts(0.5, 0.5), false},
		{"all of a few fail", "WebhookAttemptsFailing", attempts(0, 0.09), false},
		{"all of some fail", "WebhookAttemptsFailing", attempts(0, 0.11), true},
		{"nothing happens", "WebhookAttemptsFailing", attempts(0, 0), false},
	} {
		t.Run(tc.alert+"/"+tc.name, func(t *testing.T) {
			assert.Equal(t, tc.firing, tc.past.fires(t, alertRules(t)[tc.alert]))
		})
	}
}
