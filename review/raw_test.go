package review

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	yaml3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// canary is what no way of printing may show, nor its bytes as numbers or in hexadecimal.
const canary = `{"token":"s3cr3t"}`

func shown(text string) bool {
	for _, spelling := range []string{
		"s3cr3t", fmt.Sprintf("%x", "s3cr3t"), fmt.Sprintf("%X", "s3cr3t"), "115 51 99 114 51 116", "czNjcjN0", "eyJ0b2tlbiI6",
	} {
		if strings.Contains(text, spelling) {
			return true
		}
	}
	return false
}

func TestRawIsNeverPrinted(t *testing.T) {
	raw := Raw(canary)
	req := &Request{ID: "u", Body: raw, Object: raw, OldObject: raw}
	printed := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%o", "%b", "%c", "%U", "%t", "%08v", "%-40s|"} {
		printed["a Raw "+verb] = fmt.Sprintf(verb, raw)
		printed["its address "+verb] = fmt.Sprintf(verb, &raw)
		printed["a slice "+verb] = fmt.Sprintf(verb, []Raw{raw})
		printed["a map "+verb] = fmt.Sprintf(verb, map[string]Raw{"a": raw})
		printed["a Request "+verb] = fmt.Sprintf(verb, *req)
		printed["its address, a Request "+verb] = fmt.Sprintf(verb, req)
		printed["an error "+verb] = fmt.Sprintf(verb, fmt.Errorf("reading %s: %w", raw, fmt.Errorf("%v", req)))
	}
	printed["Sprint"] = fmt.Sprint(raw, req) + fmt.Sprintln(raw, *req)
	printed["String"] = raw.String()

	type holder struct{ Raw Raw }
	for name, marshal := range map[string]func(any) ([]byte, error){
		"JSON": json.Marshal, "YAML": yaml.Marshal, "YAML of another library": yaml3.Marshal,
	} {
		for what, v := range map[string]any{"a Raw": raw, "its address": &raw, "a structure": holder{raw}, "a map": map[string]Raw{"a": raw}, "a Request": req} {
			text, err := marshal(v)
			if err != nil {
				t.Errorf("%s of %s: %v", name, what, err)
			}
			printed[name+" of "+what] = string(text)
		}
	}
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		log := slog.New(handler(&b))
		log.Info("it", "raw", raw, "address", &raw, "request", req, "copy", *req, "list", []Raw{raw}, slog.Group("g", "raw", raw))
		log.With("raw", raw, "request", req).WithGroup("g").Info("it", "any", any(raw))
		printed["slog as "+name] = b.String()
	}
	var b bytes.Buffer
	if err := template.Must(template.New("").Parse("{{.}} {{.Body}} {{printf \"%s\" .Object}}")).Execute(&b, req); err != nil {
		t.Error(err)
	}
	printed["a template"] = b.String()
	for way, text := range printed {
		if shown(text) {
			t.Errorf("%s shows %s", way, text)
		}
	}
	for way, got := range map[string]string{"a text": fmt.Sprint(raw), "an attribute of a log": raw.LogValue().String()} {
		if got != "(18 bytes)" {
			t.Errorf("as %s it is %q", way, got)
		}
	}
	if string(raw) != canary {
		t.Error("who needs the bytes cannot have them")
	}
}

// The control: bytes of any other type are shown, so that the test above would notice.
func TestOtherBytesArePrinted(t *testing.T) {
	for _, verb := range []string{"%v", "%s", "%x", "%X", "%q"} {
		if !shown(fmt.Sprintf(verb, []byte(canary))) {
			t.Errorf("%s went unnoticed", verb)
		}
	}
	text, err := json.Marshal([]byte(canary))
	if err != nil || !shown(string(text)) {
		t.Errorf("base64 went unnoticed: %s %v", text, err)
	}
}

func TestATargetIsWrittenAsKubectlWould(t *testing.T) {
	for _, c := range []struct {
		target Target
		want   string
	}{
		{Target{Group: "apps", Version: "v1", Resource: "deployments", Subresource: "scale", Namespace: "prod", Name: "web"}, "deployments.apps/scale prod/web"},
		{Target{Resource: "pods", Namespace: "prod"}, "pods prod"},
		{Target{Resource: "nodes", Name: "n1"}, "nodes n1"},
		{Target{Resource: "nodes"}, "nodes"},
		{Target{Path: "/metrics"}, "/metrics"},
	} {
		if got := c.target.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
