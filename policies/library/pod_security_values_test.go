package library

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	corev1 "k8s.io/api/core/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/pod-security-admission/api"
	standards "k8s.io/pod-security-admission/policy"

	"github.com/portcullis-dev/portcullis/policies/language"
)

// capabilities are all that Linux has.
var capabilities = strings.Fields(`AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER
	FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP
	SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME
	SYS_TTY_CONFIG WAKE_ALARM ALL CAP_CHOWN all`)

// sysctls are those that a namespace of a Pod has of its own, and some of nodes.
var sysctls = strings.Fields(`kernel.auto_msgmni kernel.core_pattern kernel.msg_next_id kernel.msgmax kernel.msgmnb kernel.msgmni kernel.panic kernel.pid_max
	kernel.randomize_va_space kernel.sem kernel.sem_next_id kernel.shm_next_id kernel.shm_rmid_forced kernel.shmall kernel.shmmax kernel.shmmni
	fs.file-max fs.inotify.max_user_watches fs.mqueue.msg_max fs.mqueue.queues_max net.core.somaxconn net.core.rmem_max net.core.wmem_max
	net.ipv4.conf.all.forwarding net.ipv4.icmp_echo_ignore_all net.ipv4.ip_forward net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports
	net.ipv4.ip_nonlocal_bind net.ipv4.ip_unprivileged_port_start net.ipv4.neigh.default.gc_thresh3 net.ipv4.ping_group_range
	net.ipv4.tcp_congestion_control net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes
	net.ipv4.tcp_keepalive_time net.ipv4.tcp_max_syn_backlog net.ipv4.tcp_mem net.ipv4.tcp_notsent_lowat net.ipv4.tcp_rmem
	net.ipv4.tcp_slow_start_after_idle net.ipv4.tcp_syncookies net.ipv4.tcp_tw_reuse net.ipv4.tcp_wmem net.ipv6.conf.all.forwarding
	vm.max_map_count vm.overcommit_memory vm.swappiness net/ipv4/tcp_syncookies`)

// seLinuxTypes are some of those that policies of distributions define.
var seLinuxTypes = strings.Fields(`container_t container_init_t container_kvm_t container_engine_t container_device_t container_file_t container_logreader_t
	container_logwriter_t container_runtime_t container_userns_t container_var_lib_t kernel_t init_t svirt_lxc_net_t svirt_t spc_t super_t sysadm_t
	unconfined_t`)

// profiles are what seccomp and AppArmor know, and what is taken for that.
var profiles = strings.Fields(`RuntimeDefault Localhost Unconfined runtime/default docker/default localhost localhost/ localhost/x localhostx unconfined
	runtimedefault default custom complain`)

var procMounts = strings.Fields(`Default Unmasked default Masked`)

var systems = strings.Fields(`windows linux Windows Linux darwin`)

// place is a field whose value a rule decides by.
type place struct {
	rules  []string
	name   string
	values []string
	pod    func(value any) map[string]any
}

func places() []place {
	inPod := func(field string, of func(any) any) func(any) map[string]any {
		return func(value any) map[string]any {
			return map[string]any{"spec": map[string]any{
				"containers": []any{map[string]any{"name": "app"}}, "securityContext": map[string]any{field: of(value)},
			}}
		}
	}
	inContainer := func(list, field string, of func(any) any) func(any) map[string]any {
		return func(value any) map[string]any {
			return map[string]any{"spec": map[string]any{list: []any{map[string]any{"name": "app", "securityContext": map[string]any{field: of(value)}}}}}
		}
	}
	annotated := func(key string) func(any) map[string]any {
		return func(value any) map[string]any {
			return map[string]any{
				"metadata": map[string]any{"annotations": map[string]any{key: value}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "app"}}},
			}
		}
	}
	member := func(name string) func(any) any { return func(value any) any { return map[string]any{name: value} } }
	itself := func(value any) any { return value }
	of := func(rules ...string) []string { return rules }
	seccomp, drops := of("seccomp_baseline", "seccomp_restricted"), of("capabilities_baseline", "capabilities_restricted")
	out := []place{
		{of("sysctls"), "sysctl", sysctls, inPod("sysctls", func(value any) any { return []any{map[string]any{"name": value}} })},
		{seccomp, "seccomp annotation of the Pod", profiles, annotated("seccomp.security.alpha.kubernetes.io/pod")},
		{seccomp, "seccomp annotation of a container", profiles, annotated("container.seccomp.security.alpha.kubernetes.io/app")},
		{of("apparmor"), "AppArmor annotation", profiles, annotated("container.apparmor.security.beta.kubernetes.io/app")},
		{seccomp, "seccomp profile of the Pod", profiles, inPod("seccompProfile", member("type"))},
		{of("apparmor"), "AppArmor profile of the Pod", profiles, inPod("appArmorProfile", member("type"))},
		{of("volume_types"), "volume", slices.Sorted(func(yield func(string) bool) {
			for name := range volumeSources() {
				if !yield(name) {
					return
				}
			}
		}), func(value any) map[string]any {
			name, _ := value.(string)
			volume := map[string]any{name: map[string]any{}}
			volume["name"] = "v"
			return map[string]any{"spec": map[string]any{"volumes": []any{volume}}}
		}},
		{
			of("capabilities_restricted", "privilege_escalation", "seccomp_restricted"), "operating system", systems,
			func(value any) map[string]any {
				return map[string]any{"spec": map[string]any{"os": map[string]any{"name": value}, "containers": []any{map[string]any{"name": "app"}}}}
			},
		},
		{of("proc_mount", "proc_mount_restricted"), "procMount in a user namespace", procMounts, func(value any) map[string]any {
			container := map[string]any{"name": "app", "securityContext": map[string]any{"procMount": value}}
			return map[string]any{"spec": map[string]any{"hostUsers": false, "containers": []any{container}}}
		}},
		{of("host_probes"), "host of a probe", nil, func(value any) map[string]any {
			probe := map[string]any{"tcpSocket": map[string]any{"host": value, "port": 80}}
			return map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "app", "livenessProbe": probe}}}}
		}},
	}
	for _, part := range []string{"type", "user", "role", "level"} {
		out = append(out, place{of("selinux"), "SELinux " + part + " of the Pod", seLinuxTypes, inPod("seLinuxOptions", member(part))})
	}
	for _, list := range []string{"containers", "initContainers", "ephemeralContainers"} {
		out = append(out,
			place{drops, "capability that is added in " + list, capabilities, inContainer(list, "capabilities", func(value any) any {
				return map[string]any{"drop": []any{"ALL"}, "add": []any{value}}
			})},
			place{drops, "capability that is dropped in " + list, capabilities, inContainer(list, "capabilities", func(value any) any {
				return map[string]any{"drop": []any{value}}
			})},
			place{of("selinux"), "SELinux type in " + list, seLinuxTypes, inContainer(list, "seLinuxOptions", member("type"))},
			place{of("proc_mount", "proc_mount_restricted"), "procMount in " + list, procMounts, inContainer(list, "procMount", itself)},
			place{seccomp, "seccomp profile in " + list, profiles, inContainer(list, "seccompProfile", member("type"))},
			place{of("apparmor"), "AppArmor profile in " + list, profiles, inContainer(list, "appArmorProfile", member("type"))},
		)
	}
	return out
}

// tried are the values that a place is given: those that are known, null and nothing, every text that the rule itself has, since what it lets
// pass is among them, and all of these with something before, behind and in other letters.
func (p place) tried(module *ast.Module) (out []any) {
	texts := append([]string{""}, p.values...)
	ast.WalkTerms(module, func(term *ast.Term) bool {
		if s, ok := term.Value.(ast.String); ok && !strings.Contains(string(s), " ") { // which a message has
			texts = append(texts, string(s))
		}
		return false
	})
	for _, text := range texts {
		for _, one := range []string{text, text + "x", "x" + text, strings.ToUpper(text), strings.ToLower(text)} {
			out = append(out, one)
		}
	}
	slices.SortFunc(out, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	return append(slices.Compact(out), nil)
}

// differs finds a value in a place that a rule judges in another way than Kubernetes, at some version.
func (p place) differs(t testing.TB, o oracle, rule string, module *ast.Module) string {
	t.Helper()
	query, err := rego.New(append(helpers(t), rego.Query("x := count(data.portcullis.library.pods."+rule+".deny)"), rego.ParsedModule(module),
		rego.Capabilities(language.Capabilities()))...).PrepareForEval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	turns := turns("pods."+rule, module)
	for _, value := range p.tried(module) {
		made := p.pod(value)
		var pod corev1.Pod
		if err := utiljson.Unmarshal(text(t, made), &pod); err != nil {
			t.Fatal(err)
		}
		for _, version := range turns {
			question := wrappings[0].question(made)
			input := map[string]any{"request": question, "parameters": map[string]any{"version": version.String(), "podTemplates": map[string]any{}}}
			parsed, err := ast.InterfaceToValue(input)
			if err != nil {
				t.Fatal(err)
			}
			results, err := query.Eval(t.Context(), rego.EvalParsedInput(parsed))
			if err != nil {
				t.Fatal(err)
			}
			ours := fmt.Sprint(results[0].Bindings["x"]) != "0"
			for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
				id := standsFor("pods."+rule, level, version)
				if id == "" {
					continue
				}
				if detail, theirs := o.refusals(t, api.LevelVersion{Level: level, Version: version}, &pod)[id]; theirs != ours {
					return fmt.Sprintf("%s %q at %s:%s: Kubernetes refuses it: %v %q, and pods.%s: %v", p.name, value, level, version.String(), theirs, detail, rule, ours)
				}
			}
		}
	}
	return ""
}

// turns are the versions at which the checks for which a rule stands change, or the rule does by a number that it has, each with the one before;
// and the latest.
func turns(rule string, module *ast.Module) (out []api.Version) {
	minors := map[int]bool{0: true}
	turn := func(minor int) { minors[minor], minors[minor-1] = true, true }
	for _, check := range checks {
		if check.rule != rule {
			continue
		}
		turn(check.since)
		for _, of := range standards.DefaultChecks() {
			if slices.Contains([]standards.CheckID{check.baseline, check.restricted, replaced[check.restricted]}, of.ID) {
				for _, version := range of.Versions {
					turn(version.MinimumVersion.Minor())
				}
			}
		}
	}
	ast.WalkTerms(module, func(term *ast.Term) bool {
		if n, ok := term.Value.(ast.Number); ok {
			if minor, ok := n.Int(); ok {
				turn(minor)
			}
		}
		return false
	})
	return slices.DeleteFunc(versions(), func(v api.Version) bool { return !v.Latest() && !minors[v.Minor()] })
}

// standsFor is the check for which a rule stands at a level and version, or "".
func standsFor(rule string, level api.Level, version api.Version) standards.CheckID {
	for _, check := range checks {
		switch {
		case check.rule != rule:
		case level == api.LevelBaseline:
			return check.baseline
		case version.Older(api.MajorMinorVersion(1, check.since)):
			return replaced[check.restricted]
		default:
			return check.restricted
		}
	}
	return ""
}

// Each value alone is judged as by Kubernetes, at each version: all that is known, and all that the rules themselves name.
func TestValuesAreJudgedAsByKubernetes(t *testing.T) {
	o := newOracle(t)
	all := modules(t)
	for _, p := range places() {
		for _, rule := range p.rules {
			if wrong := p.differs(t, o, rule, all[File("pods."+rule)]); wrong != "" {
				t.Error(wrong)
			}
		}
	}
}

// What lets a value pass that Kubernetes refuses is found: one more value in any of the lists that rules have, or a version before or behind.
func TestWhatLetsMorePassIsFound(t *testing.T) {
	o := newOracle(t)
	all := modules(t)
	widened := map[string]int{}
	for _, p := range places() {
		for _, rule := range p.rules {
			widened[rule] = 0
		}
	}
	for rule := range widened {
		for _, m := range mutants(all[File("pods."+rule)]) {
			widened[rule]++
			if !slices.ContainsFunc(places(), func(p place) bool {
				return slices.Contains(p.rules, rule) && p.differs(t, o, rule, m.module) != ""
			}) {
				t.Errorf("pods.%s with %s is judged as by Kubernetes", rule, m.change)
			}
		}
	}
	for rule, lists := range widened {
		if lists == 0 && rule != "privilege_escalation" {
			t.Errorf("pods.%s has no list that could be longer", rule)
		}
	}
}

// mutant is a rule with one change.
type mutant struct {
	module *ast.Module
	change string
}

// mutants are a rule with one text more in each of the sets and maps of texts that it spells out, and in the list of harmless volumes; and with
// another number for each that stands for a version.
func mutants(rule *ast.Module) (out []mutant) {
	const more = "widened"
	spells := 0
	ast.WalkTerms(rule, func(*ast.Term) bool { spells++; return false })
	for number := range spells {
		changed, n, change := rule.Copy(), 0, ""
		ast.WalkTerms(changed, func(term *ast.Term) bool {
			if n++; n != number+1 {
				return false
			}
			before := term.String()
			switch v := term.Value.(type) {
			case ast.Set:
				if v.IsGround() && !v.Contains(ast.StringTerm("httpGet")) { // which are refused, and there is no other
					term.Value = v.Union(ast.NewSet(ast.StringTerm(more)))
				}
			case ast.Object:
				if v.IsGround() {
					longer, _ := v.Merge(ast.NewObject(ast.Item(ast.StringTerm(more), ast.NumberTerm("0"))))
					term.Value = longer
				}
			case *ast.Array:
				if v.IsGround() && v.Len() > 3 {
					term.Value = v.Append(ast.StringTerm(more))
				}
			case ast.Number:
				if minor, ok := v.Int(); ok && minor > 0 {
					term.Value = ast.Number(fmt.Sprint(minor - 1))
				}
			}
			if after := term.String(); after != before {
				change = fmt.Sprintf("%s in the place of %s, in row %d", after, before, term.Location.Row)
			}
			return true
		})
		if change != "" {
			out = append(out, mutant{changed, change})
		}
	}
	return out
}
