package scale

import (
	"fmt"
	"strings"
)

// size is how much there is in a cluster.
type size struct {
	pods, templates int // Pods are of templates in turn, as those of ReplicaSets
	others          int // Services, Deployments, NetworkPolicies, Roles and ServiceAccounts, in turn
	namespaces      int
}

// bad is how many Pods violate the policy "bad": those of every tenth template.
func (s size) bad() int { return s.badFrom(0, s.pods) }

// badFrom is how many there are of Pods from one on and before another.
func (s size) badFrom(from, to int) (n int) {
	for i := from; i < to; i++ {
		if s.isBad(i) {
			n++
		}
	}
	return n
}

func (s size) isBad(pod int) bool { return pod%s.templates%10 == 0 }

// namespace is where a Pod is: that of its template.
func (s size) namespace(pod int) string { return fmt.Sprintf("team-%d", pod%s.templates%s.namespaces) }

func (s size) podName(pod int) string { return fmt.Sprintf("app-%d-%06d", pod%s.templates, pod) }

// pod is the path and the JSON of a Pod as a client creates it. The API server adds defaults and managed fields, which come to 8 kB with it.
func (s size) pod(i int) (path, body string) {
	template := i % s.templates
	tag, bad := "1.4."+fmt.Sprint(template), "no"
	if s.isBad(i) {
		bad = "yes"
	}
	var containers []string
	for _, name := range []string{"app", "proxy", "shipper"} {
		var env []string
		for v := range 8 {
			env = append(env, fmt.Sprintf(`{"name":"SETTING_%d_%d","value":"%s-%d.shop.example.com:8443"}`, v, template, name, v))
		}
		probe := fmt.Sprintf(`{"httpGet":{"path":"/%s","port":8080},"periodSeconds":10}`, name)
		containers = append(containers, fmt.Sprintf(`{"name":%q,"image":"registry.example.com/shop/%s:%s","imagePullPolicy":"IfNotPresent",`+
			`"resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"cpu":"1","memory":"256Mi"}},"env":[%s],`+
			`"ports":[{"containerPort":8080,"name":%q}],"readinessProbe":%s,"livenessProbe":%s,`+
			`"volumeMounts":[{"name":"tmp","mountPath":"/tmp"},{"name":"config","mountPath":"/etc/%s","readOnly":true}],`+
			`"securityContext":{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"]}}}`,
			name, name, tag, strings.Join(env, ","), name, probe, strings.Replace(probe, `"/`, `"/live/`, 1), name))
	}
	namespace := s.namespace(i)
	return "/api/v1/namespaces/" + namespace + "/pods", fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,`+
		`"labels":{"app.kubernetes.io/name":"app-%d","app.kubernetes.io/version":%q,"team":%q,"bad":%q},`+
		`"annotations":{"checksum/config":"%064d","prometheus.io/scrape":"true"}},"spec":{"serviceAccountName":"app-%d","automountServiceAccountToken":false,`+
		`"securityContext":{"runAsNonRoot":true,"runAsUser":10001,"seccompProfile":{"type":"RuntimeDefault"}},`+
		`"volumes":[{"name":"tmp","emptyDir":{"sizeLimit":"1Gi"}},{"name":"config","configMap":{"name":"app-%d"}}],"containers":[%s]}}`,
		s.podName(i), template, tag, namespace, bad, template, template, template, strings.Join(containers, ","))
}

// other is the path and the JSON of an object that is no Pod.
func (s size) other(i int) (path, body string) {
	name, namespace := fmt.Sprintf("thing-%06d", i), fmt.Sprintf("team-%d", i%s.namespaces)
	object := func(group, resource, kind, rest string) (string, string) {
		api := "/apis/" + group
		if group == "v1" {
			api = "/api/v1"
		}
		return api + "/namespaces/" + namespace + "/" + resource, fmt.Sprintf(
			`{"apiVersion":%q,"kind":%q,"metadata":{"name":%q,"labels":{"team":%q}}%s}`, group, kind, name, namespace, rest)
	}
	switch i % 5 {
	case 0:
		return object("v1", "services", "Service", fmt.Sprintf(`,"spec":{"clusterIP":"None","selector":{"app.kubernetes.io/name":%q},"ports":[{"port":80}]}`, name))
	case 1:
		return object("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", `,"spec":{"podSelector":{},"policyTypes":["Ingress","Egress"]}`)
	case 2:
		return object("rbac.authorization.k8s.io/v1", "roles", "Role", `,"rules":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["get"]}]`)
	case 3:
		return object("v1", "serviceaccounts", "ServiceAccount", `,"automountServiceAccountToken":false`)
	}
	return object("apps/v1", "deployments", "Deployment", fmt.Sprintf(`,"spec":{"replicas":3,"selector":{"matchLabels":{"app":%[1]q}},"template":{"metadata":`+
		`{"labels":{"app":%[1]q}},"spec":{"automountServiceAccountToken":false,"containers":[{"name":"app","image":"registry.example.com/shop/app:1.4"}]}}}`, name))
}
