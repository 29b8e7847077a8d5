package cmd

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// exported are the names of all metrics of our own that a server in a cluster shows, with their labels.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	m, err := NewMetrics(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	when := func() time.Time { return time.Time{} }
	if err := m.follow(identity{notAfter: when, authority: when}, decisions.Recorders{decisions.NewRecorder(io.Discard, time.Now)}); err != nil {
		t.Fatal(err)
	}
	if _, err := newEventMetrics(m.Registry); err != nil {
		t.Fatal(err)
	}
	if err := m.rotating(func() certs.Step { return certs.Rest }); err != nil {
		t.Fatal(err)
	}
	if err := m.inventory(&inventory.Store{}); err != nil {
		t.Fatal(err)
	}
	if _, err := registration.NewMetrics(m.Registry); err != nil {
		t.Fatal(err)
	}
	if err := m.Registry.Register((&unowned{}).metric()); err != nil {
		t.Fatal(err)
	}
	audits, err := newAuditMetrics(m.Registry)
	if err != nil {
		t.Fatal(err)
	}
	if err := audits.shows(nil); err != nil { // nobody asks for a value
		t.Fatal(err)
	}
	if _, err := newReportMetrics(m.Registry); err != nil {
		t.Fatal(err)
	}
	if _, err := newPageMetrics(m.Registry); err != nil {
		t.Fatal(err)
	}
	descriptions := make(chan *prometheus.Desc, 1000)
	m.Registry.Describe(descriptions)
	close(descriptions)
	spelt := regexp.MustCompile(`fqName: "(portcullis_\w+)".*constLabels: {(.*)}, variableLabels: {(.*)}`)
	out := map[string][]string{}
	for d := range descriptions {
		if found := spelt.FindStringSubmatch(d.String()); found != nil {
			for _, label := range regexp.MustCompile(`\w+=|\w+`).FindAllString(found[2]+","+found[3], -1) {
				out[found[1]] = append(out[found[1]], strings.TrimSuffix(label, "="))
			}
			out[found[1]] = append(out[found[1]], "namespace", "pod") // Prometheus' own
		}
	}
	if len(out) < 20 {
		t.Fatalf("there are %d metrics", len(out))
	}
	return out
}

// expressions are those of the chart's alert rules and of its dashboard.
func expressions(t *testing.T) []string {
	t.Helper()
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join("..", "charts", "portcullis", "files", name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var out []string
	var alerts struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	plain := regexp.MustCompile("{{`|`}}").ReplaceAll(read("alerts.yaml"), nil) // what Helm leaves to Prometheus
	if err := yaml.UnmarshalStrict(plain, &alerts); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, rule := range alerts.Groups[0].Rules {
		if names[rule.Alert] || !strings.HasPrefix(rule.Alert, "Portcullis") {
			t.Errorf("%s is there twice, or not ours", rule.Alert)
		}
		names[rule.Alert] = true
		if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s has the severity %q", rule.Alert, severity)
		}
		for _, annotation := range []string{"summary", "description"} {
			if !strings.HasSuffix(rule.Annotations[annotation], ".") {
				t.Errorf("the %s of %s is no sentence: %q", annotation, rule.Alert, rule.Annotations[annotation])
			}
		}
		if rule.For != "" {
			if _, err := time.ParseDuration(rule.For); err != nil {
				t.Errorf("%s: %v", rule.Alert, err)
			}
		}
		out = append(out, rule.Expr)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read("dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	for n, panel := range dashboard.Panels {
		if panel.ID != n+1 {
			t.Errorf("panel %d has the id %d", n+1, panel.ID)
		}
		for _, target := range panel.Targets {
			out = append(out, target.Expr)
		}
	}
	return out
}

// TestMetricsAndTheChart: what alerts and dashboard ask for is exported, with the labels they name; and what is exported is shown.
func TestMetricsAndTheChart(t *testing.T) {
	known, used := exported(t), map[string]bool{}
	metric := regexp.MustCompile(`(portcullis_\w+)(\{[^}]*\}*[^}]*\})?`)
	selector := regexp.MustCompile(`(portcullis_\w+)\{([^}]*(?:\{\{[^}]*\}\}[^}]*)?)\}`)
	by := regexp.MustCompile(`by \(([^)]*)\)`)
	for _, expr := range expressions(t) {
		var here []string
		for _, found := range metric.FindAllStringSubmatch(expr, -1) {
			name := found[1]
			if known[name] == nil {
				name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			}
			if known[name] == nil {
				t.Errorf("%s is asked for, and nothing exports it: %s", found[1], expr)
				continue
			}
			used[name], here = true, append(here, name)
		}
		for _, found := range selector.FindAllStringSubmatch(expr, -1) {
			name := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(found[1], "")
			if !strings.HasPrefix(found[2], "namespace=") {
				t.Errorf("other releases are mixed in: %s", expr)
			}
			for _, label := range regexp.MustCompile(`(\w+)(=|!=|=~)"`).FindAllStringSubmatch(found[2], -1) {
				if known[name] != nil && !slices.Contains(known[name], label[1]) {
					t.Errorf("%s has no label %s: %s", name, label[1], expr)
				}
			}
		}
		for _, found := range by.FindAllStringSubmatch(expr, -1) {
			for label := range strings.SplitSeq(found[1], ", ") {
				for _, name := range here {
					if label != "le" && !slices.Contains(known[name], label) {
						t.Errorf("%s has no label %s: %s", name, label, expr)
					}
				}
			}
		}
		for _, pair := range []string{"()", "{}", "[]"} {
			if strings.Count(expr, pair[:1]) != strings.Count(expr, pair[1:]) {
				t.Errorf("unbalanced: %s", expr)
			}
		}
	}
	for name := range known {
		if !used[name] {
			t.Errorf("neither an alert nor the dashboard shows %s", name)
		}
	}
}
