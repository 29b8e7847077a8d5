package plane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Options says what kind of control plane to start. Every path may be relative to the working directory.
type Options struct {
	// Dir holds everything the control plane keeps: keys, tokens, kubeconfigs, logs and the data of etcd.
	Dir string
	// Port is the port of the API server on 127.0.0.1; zero takes a free one.
	Port int
	// Timeout bounds the whole start.
	Timeout time.Duration

	// AuthorizationConfig is an AuthorizationConfiguration file. When it is empty the API server runs with Node,RBAC.
	AuthorizationConfig string
	// TokenWebhookConfig is the kubeconfig with which the API server calls the TokenReview webhook.
	TokenWebhookConfig   string
	TokenWebhookVersion  string
	TokenWebhookCacheTTL time.Duration
	// AdmissionConfig is an AdmissionConfiguration file, AdmissionPlugins are enabled beside the default ones.
	AdmissionConfig  string
	AdmissionPlugins []string
	// AuditPolicy turns auditing on: events go to logs/audit.log and, if AuditWebhookConfig is set, to that webhook.
	AuditPolicy        string
	AuditWebhookConfig string
	// APIServerArgs are passed to kube-apiserver as they are, after all others.
	APIServerArgs []string
	// ControllerManager starts kube-controller-manager too.
	ControllerManager bool
	// Users get a token and a kubeconfig each, beside the admin.
	Users []User
}

// User is somebody who signs in with a token from the static token file.
type User struct {
	Name   string
	Groups []string
}

// userName keeps a name usable as a file name. Colons are allowed: system:serviceaccount:team:app is a useful test user.
var userName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:._@-]*$`)

// ParseUser reads name=group1,group2. A user without groups is written as the name alone.
func ParseUser(s string) (User, error) {
	name, list, _ := strings.Cut(s, "=")
	if !userName.MatchString(name) {
		return User{}, fmt.Errorf("%q is not a user name; letters, digits and : . _ @ - are allowed, as in alice=developers,oncall", name)
	}
	u := User{Name: name}
	for g := range strings.SplitSeq(list, ",") {
		if g = strings.TrimSpace(g); g != "" {
			u.Groups = append(u.Groups, g)
		}
	}
	return u, nil
}

// complete makes Dir absolute and reports the first thing in the options that cannot work.
func (o *Options) complete() error {
	if o.Dir == "" {
		return errors.New("--dir is required")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	o.Dir = dir
	if o.Port < 0 || o.Port > 65535 {
		return fmt.Errorf("--port: %d is not a port", o.Port)
	}
	if o.Timeout <= 0 {
		return errors.New("--timeout must be longer than zero")
	}
	for flag, path := range map[string]string{
		"--authorization-config":                o.AuthorizationConfig,
		"--authentication-token-webhook-config": o.TokenWebhookConfig,
		"--admission-config":                    o.AdmissionConfig,
		"--audit-policy":                        o.AuditPolicy,
		"--audit-webhook-config":                o.AuditWebhookConfig,
	} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
	}
	switch o.TokenWebhookVersion {
	case "", "v1", "v1beta1":
	default:
		return fmt.Errorf("--authentication-token-webhook-version: %q is neither v1 nor v1beta1", o.TokenWebhookVersion)
	}
	// Without a policy the API server makes no events, and would say nothing about it.
	if o.AuditWebhookConfig != "" && o.AuditPolicy == "" {
		return errors.New("--audit-webhook-config needs --audit-policy: without a policy no event is made")
	}
	for _, arg := range o.APIServerArgs {
		if !strings.HasPrefix(arg, "--") {
			return fmt.Errorf("--apiserver-arg: %q must look like --name=value", arg)
		}
	}
	seen := map[string]bool{adminUser: true, controllerManagerUser: true}
	for _, u := range o.Users {
		if seen[u.Name] {
			return fmt.Errorf("--user: %s is named twice, or is one of the users every control plane has", u.Name)
		}
		seen[u.Name] = true
	}
	return nil
}
