package main

import "math/rand/v2"

// violation is a Pod with one thing wrong, which a policy of policies/cel and its like in the library have to refuse. With these it is
// known that a setup is in force, and that both setups judge by the same rules.
type violation struct {
	policy string // the name of the ValidatingAdmissionPolicy
	pod    []byte
}

func violations() ([]violation, error) {
	context := func(spec object, i int) object { return containersOf(spec)[i]["securityContext"].(object) }
	var out []violation
	for _, v := range []struct {
		policy string
		spoil  func(metadata, spec object)
	}{
		{"no-privileged-containers", func(_, spec object) {
			context(spec, 0)["privileged"] = true
			delete(context(spec, 0), "allowPrivilegeEscalation") // the API server would refuse the two together
		}},
		{"capabilities", func(_, spec object) {
			context(spec, 1)["capabilities"] = object{"drop": list{"ALL"}, "add": list{"SYS_TIME"}}
		}},
		{"host-namespaces", func(_, spec object) { spec["hostPID"] = true }},
		{"host-path", func(_, spec object) {
			spec["volumes"] = append(spec["volumes"].(list), object{"name": "run", "hostPath": object{"path": "/var/run"}})
		}},
		{"run-as-non-root", func(_, spec object) { context(spec, 2)["runAsNonRoot"] = false }},
		{"no-latest-tag", func(_, spec object) { containersOf(spec)[0]["image"] = "registry.example.com/shop/app:latest" }},
		{"allowed-registries", func(_, spec object) { containersOf(spec)[1]["image"] = "registry.example.org/shop/proxy:1.0.0" }},
		{"required-labels", func(metadata, _ object) { delete(metadata["labels"].(object), "team") }},
		{"limits-required", func(_, spec object) { delete(containersOf(spec)[2]["resources"].(object), "limits") }},
	} {
		pod := newPod(sentPod, rand.New(rand.NewPCG(0, 13)))
		v.spoil(pod["metadata"].(object), pod["spec"].(object))
		t, err := newTemplate(pod)
		if err != nil {
			return nil, err
		}
		out = append(out, violation{policy: v.policy, pod: t.fill(nil, 0)})
	}
	return out, nil
}
