package main

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// misses is W3: policies about Pods, asked about what none of them concerns. It is what most requests of a cluster are when a webhook is
// registered for everything.
func misses() workload {
	const name = "W3"
	return workload{
		name: name, title: "ConfigMaps, Leases and Events, which no policy matches",
		measure: func(ctx context.Context, l *lab) ([]row, error) {
			set, err := bundled("pss-restricted")
			if err != nil {
				return nil, err
			}
			var bodies texts
			for _, a := range []admission{configMap(), lease(), event()} {
				t, err := a.template()
				if err != nil {
					return nil, err
				}
				bodies = append(bodies, t)
			}
			all, err := reviews("/validate", bodies, false)
			if err != nil {
				return nil, err
			}
			return l.against(ctx, trial{workload: name, traffic: all, speak: http1}, set, 1, 8)
		},
	}
}

// node is a kubelet.
func node() authenticationv1.UserInfo {
	return authenticationv1.UserInfo{Username: "system:node:node-@node.h4@", Groups: []string{"system:nodes", "system:authenticated"}}
}

func managed(manager string, fields object) list {
	return list{object{
		"manager": manager, "operation": "Update", "apiVersion": "v1", "time": "2026-03-11T09:30:12Z", "fieldsType": "FieldsV1", "fieldsV1": fields,
	}}
}

// configMap is the creation of a configuration of two kilobytes.
func configMap() admission {
	data, fields := object{}, object{".": object{}}
	for i := range 24 {
		key := fmt.Sprintf("setting-%02d", i)
		data[key] = fmt.Sprintf("https://service-@s%d.h6@.shop.svc:8443/api/v1?token-file=/run/%d", i, i)
		fields["f:"+key] = object{}
	}
	return admission{
		operation: admissionv1.Create, gvk: metav1.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, resource: "configmaps",
		namespace: podNamespace, name: "settings-@name.h8@", user: replicaSets(),
		object: object{
			"apiVersion": "v1", "kind": "ConfigMap", "data": data,
			"metadata": object{
				"name": "settings-@name.h8@", "namespace": podNamespace, "uid": "@uid.h8@-4a5e-4f4a-9d53-@uidb.h12@",
				"creationTimestamp": "2026-03-11T09:30:12Z", "labels": object{"app.kubernetes.io/managed-by": "helm"},
				"managedFields": managed("helm", object{"f:data": fields}),
			},
		},
	}
}

// lease is the renewal of a node's lease, which every node does every ten seconds.
func lease() admission {
	at := func(second string) object {
		return object{
			"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
			"metadata": object{
				"name": "node-@node.h4@", "namespace": "kube-node-lease", "uid": "@uid.h8@-4a5e-4f4a-9d53-@uidb.h12@",
				"resourceVersion": "1@version.d7@", "creationTimestamp": "2026-01-11T09:30:12Z",
				"ownerReferences": list{object{"apiVersion": "v1", "kind": "Node", "name": "node-@node.h4@", "uid": "@owner.h8@-4a5e-4f4a-9d53-000000000000"}},
				"managedFields": managed("kubelet", object{
					"f:metadata": object{"f:ownerReferences": object{".": object{}}},
					"f:spec":     object{"f:holderIdentity": object{}, "f:leaseDurationSeconds": object{}, "f:renewTime": object{}},
				}),
			},
			"spec": object{"holderIdentity": "node-@node.h4@", "leaseDurationSeconds": 40, "renewTime": "2026-03-11T09:30:" + second + ".@micro.d6@Z"},
		}
	}
	return admission{
		operation: admissionv1.Update, gvk: metav1.GroupVersionKind{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"}, resource: "leases",
		namespace: "kube-node-lease", name: "node-@node.h4@", user: node(), object: at("22"), before: at("12"),
	}
}

// event is the creation of an Event about a Pod.
func event() admission {
	return admission{
		operation: admissionv1.Create, gvk: metav1.GroupVersionKind{Version: "v1", Kind: "Event"}, resource: "events",
		namespace: podNamespace, name: "app-@name.h8@.@suffix.h16@", user: node(),
		object: object{
			"apiVersion": "v1", "kind": "Event", "type": "Normal", "reason": "Pulled", "count": 1,
			"message": "Container image \"registry.example.com/shop/app:1.@minor.d2@.0\" already present on machine",
			"metadata": object{
				"name": "app-@name.h8@.@suffix.h16@", "namespace": podNamespace, "uid": "@uid.h8@-4a5e-4f4a-9d53-@uidb.h12@",
				"creationTimestamp": "2026-03-11T09:30:12Z",
				"managedFields": managed("kubelet", object{
					"f:count": object{}, "f:firstTimestamp": object{}, "f:involvedObject": object{}, "f:lastTimestamp": object{}, "f:message": object{},
					"f:reason": object{}, "f:reportingComponent": object{}, "f:reportingInstance": object{}, "f:source": object{}, "f:type": object{},
				}),
			},
			"involvedObject": object{
				"apiVersion": "v1", "kind": "Pod", "name": "app-@name.h8@", "namespace": podNamespace, "resourceVersion": "1@version.d7@",
				"uid": "@pod.h8@-4a5e-4f4a-9d53-000000000000", "fieldPath": "spec.containers{app}",
			},
			"source":         object{"component": "kubelet", "host": "node-@node.h4@"},
			"firstTimestamp": "2026-03-11T09:30:12Z", "lastTimestamp": "2026-03-11T09:30:12Z", "eventTime": nil,
			"reportingComponent": "kubelet", "reportingInstance": "node-@node.h4@",
		},
	}
}
