package plane

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseUser(t *testing.T) {
	for in, want := range map[string]User{
		"alice":                                 {Name: "alice"},
		"alice=":                                {Name: "alice"},
		"alice=dev":                             {Name: "alice", Groups: []string{"dev"}},
		"system:serviceaccount:team:app=a, b,":  {Name: "system:serviceaccount:team:app", Groups: []string{"a", "b"}},
		"bob@example.com=system:authenticated=": {Name: "bob@example.com", Groups: []string{"system:authenticated="}},
	} {
		got, err := ParseUser(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "=dev", "a/b", "../x", ".hidden", "a b"} {
		if got, err := ParseUser(in); err == nil {
			t.Errorf("%q: got %+v; want an error", in, got)
		}
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	good := func() Options { return Options{Dir: t.TempDir(), Timeout: time.Second} }
	for want, spoil := range map[string]func(*Options){
		"--dir is required":          func(o *Options) { o.Dir = "" },
		"--port: 70000":              func(o *Options) { o.Port = 70000 },
		"--timeout must":             func(o *Options) { o.Timeout = 0 },
		"--admission-config: ":       func(o *Options) { o.AdmissionConfig = filepath.Join(t.TempDir(), "absent") },
		"neither v1 nor v1beta1":     func(o *Options) { o.TokenWebhookVersion = "v2" },
		"needs --audit-policy":       func(o *Options) { o.AuditWebhookConfig = "options_test.go" },
		"--apiserver-arg: \"v=4\"":   func(o *Options) { o.APIServerArgs = []string{"v=4"} },
		"--user: alice is named":     func(o *Options) { o.Users = []User{{Name: "alice"}, {Name: "alice"}} },
		"--user: admin is named":     func(o *Options) { o.Users = []User{{Name: adminUser}} },
		"--user: system:kube-contro": func(o *Options) { o.Users = []User{{Name: controllerManagerUser}} },
	} {
		o := good()
		spoil(&o)
		if err := o.complete(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	o := good()
	if err := o.complete(); err != nil {
		t.Errorf("good options are refused: %v", err)
	}
}
