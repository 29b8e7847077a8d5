package main

import (
	"fmt"
	"math/rand/v2"
)

type (
	object = map[string]any
	list   = []any
)

// podKind says at which point of its life a Pod is generated.
type podKind int

const (
	livePod podKind = iota // as admission webhooks see it: defaulted, with status and managed fields
	laxPod                 // the same without what a mutation would set
	sentPod                // as a client creates it
)

const (
	podNamespace = "shop"
	podName      = "@app.h6@-@hash.h9@-@pod.h5@"
	// podSize is the least a live Pod of a web service with three containers comes to, managed fields included.
	podSize = 13_300
	// podShapes is how many different sets of names, containers and environments there are. What holes fill in makes every Pod
	// different; shapes keep them from having the same values at the same place of the text.
	podShapes = 16
)

// The Pods are realistic ones of three containers: a service, its proxy and a log shipper. They satisfy the restricted Pod Security
// level and the usual good practices, so that a policy set judges each to the end and allows it.

// newPods returns the Pods of one kind, each as wrap makes a template of it; the same ones every time.
func newPods(kind podKind, wrap func(object) (*template, error)) (texts, error) {
	var out texts
	for shape := range uint64(podShapes) {
		t, err := wrap(newPod(kind, seeded(shape)))
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// seeded is the chance by which a shape is what it is.
func seeded(shape uint64) *rand.Rand { return rand.New(rand.NewPCG(shape, 13)) }

func newPod(kind podKind, random *rand.Rand) object {
	s := shape{random: random, app: pick(random, "checkout", "catalogue", "payments", "search", "basket", "reviews")}
	pod := object{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": s.metadata(kind),
		"spec":     s.spec(kind),
	}
	if kind != sentPod {
		pod["status"] = object{"phase": "Pending", "qosClass": "Burstable"}
	}
	s.grow(pod, kind)
	return pod
}

// shape makes the parts of one Pod.
type shape struct {
	random *rand.Rand
	app    string
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

func (s shape) metadata(kind podKind) object {
	meta := object{
		"name": podName, "namespace": podNamespace,
		"labels": object{
			"app.kubernetes.io/name":       s.app,
			"app.kubernetes.io/instance":   s.app + "-@app.h6@",
			"app.kubernetes.io/version":    "1.@minor.d2@.0",
			"app.kubernetes.io/component":  pick(s.random, "frontend", "backend", "worker"),
			"app.kubernetes.io/part-of":    "shop",
			"app.kubernetes.io/managed-by": "helm",
			"team":                         "team-@team.h4@",
			"cost-center":                  "1@cost.d3@",
			"pod-template-hash":            "@hash.h9@",
		},
		"annotations": object{
			"checksum/config":                   "@config.h64@",
			"kubectl.kubernetes.io/restartedAt": "2026-0@month.d1@-11T09:30:00Z",
			"prometheus.io/scrape":              "true",
			"prometheus.io/port":                "9090",
			"shop.example.com/change":           "CHG-@change.d8@",
			"shop.example.com/contact":          "team-@team.h4@@shop.example.com",
		},
	}
	if kind != sentPod {
		meta["generateName"] = "@app.h6@-@hash.h9@-"
		meta["uid"] = "@uid.h8@-4a5e-4f4a-9d53-@uidb.h12@"
		meta["creationTimestamp"] = "2026-03-11T09:30:12Z"
		meta["ownerReferences"] = list{object{
			"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "@app.h6@-@hash.h9@", "uid": "@owner.h8@-4a5e-4f4a-9d53-000000000000",
			"controller": true, "blockOwnerDeletion": true,
		}}
	}
	return meta
}

func (s shape) spec(kind podKind) object {
	spec := object{
		"containers": list{s.service(), s.proxy(), s.shipper()},
		"volumes": list{
			object{"name": "config", "configMap": object{"name": s.app + "-config-@config.h10@", "defaultMode": 420}},
			object{"name": "tls", "secret": object{"secretName": s.app + "-tls-@tls.h6@", "defaultMode": 420}},
			object{"name": "tmp", "emptyDir": object{"sizeLimit": "1@tmp.d2@Mi"}},
			object{"name": "logs", "emptyDir": object{"sizeLimit": "2@logs.d2@Mi"}},
			tokenVolume(),
		},
		"securityContext": object{
			"runAsNonRoot": true, "runAsUser": "@user.i@", "runAsGroup": "@group.i@", "fsGroup": "@group.i@",
			"fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": object{"type": "RuntimeDefault"},
		},
		"serviceAccountName":            s.app + "-@team.h4@",
		"automountServiceAccountToken":  false,
		"enableServiceLinks":            false,
		"restartPolicy":                 "Always",
		"terminationGracePeriodSeconds": 30,
		"dnsPolicy":                     "ClusterFirst",
		"schedulerName":                 "default-scheduler",
		"tolerations": list{
			object{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
			object{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
		},
	}
	if kind == livePod {
		spec["serviceAccount"] = spec["serviceAccountName"]
		spec["priority"] = 0
		spec["preemptionPolicy"] = "PreemptLowerPriority"
	}
	if kind == laxPod {
		spec["securityContext"] = object{"runAsUser": "@user.i@", "runAsGroup": "@group.i@", "fsGroup": "@group.i@"}
		for _, c := range containersOf(spec) {
			delete(c["securityContext"].(object), "allowPrivilegeEscalation")
		}
	}
	return spec
}

// tokenVolume is what the ServiceAccount admission adds; its name ends in random characters.
func tokenVolume() object {
	return object{"name": "kube-api-access-@token.h5@", "projected": object{"defaultMode": 420, "sources": list{
		object{"serviceAccountToken": object{"expirationSeconds": 3607, "path": "token"}},
		object{"configMap": object{"name": "kube-root-ca.crt", "items": list{object{"key": "ca.crt", "path": "ca.crt"}}}},
		object{"downwardAPI": object{"items": list{object{"path": "namespace", "fieldRef": object{"apiVersion": "v1", "fieldPath": "metadata.namespace"}}}}},
	}}}
}

func containersOf(spec object) []object {
	var out []object
	for _, c := range spec["containers"].(list) {
		out = append(out, c.(object))
	}
	return out
}

// grow adds managed fields, and environment variables until the Pod is as long as it should be: they are what makes real Pods long. A
// Pod as it is sent has as many of them, and no managed fields yet.
func (s shape) grow(pod object, kind podKind) {
	containers, metadata := containersOf(pod["spec"].(object)), pod["metadata"].(object)
	for i := 0; ; i++ {
		metadata["managedFields"] = managedFields(pod)
		if sizeOf(pod) >= podSize {
			break
		}
		c := containers[i%2]
		name := fmt.Sprintf("%s_%s_%d", pick(s.random, "FEATURE", "CACHE", "BACKEND", "LIMIT"), pick(s.random, "URL", "SIZE", "MODE"), i)
		c["env"] = append(c["env"].(list), object{"name": name, "value": fmt.Sprintf("%s-@env%d.h12@", s.app, i)})
	}
	if kind == sentPod {
		delete(metadata, "managedFields")
	}
}
