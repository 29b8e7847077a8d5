package main

import (
	"fmt"
	"strings"
)

// image names an image as good practice has it: from a registry of one's own, with a version for people and a digest for machines.
func image(name string) string {
	return fmt.Sprintf("registry.example.com/shop/%s:1.@minor.d2@.0@sha256:@%s.h64@", name, strings.ReplaceAll(name, "-", ""))
}

// securityContext is what the restricted Pod Security level asks for, and a read-only root besides.
func securityContext() object {
	return object{
		"allowPrivilegeEscalation": false,
		"capabilities":             object{"drop": list{"ALL"}},
		"privileged":               false,
		"readOnlyRootFilesystem":   true,
		"runAsNonRoot":             true,
		"runAsUser":                "@user.i@",
		"seccompProfile":           object{"type": "RuntimeDefault"},
	}
}

func resources(cpu, memory string) object {
	return object{
		"limits":   object{"cpu": cpu, "memory": memory, "ephemeral-storage": "1@disk.d2@Mi"},
		"requests": object{"cpu": cpu, "memory": memory},
	}
}

func probe(path, port string, seconds int) object {
	return object{
		"httpGet":          object{"path": path, "port": port, "scheme": "HTTP"},
		"timeoutSeconds":   1,
		"periodSeconds":    seconds,
		"successThreshold": 1,
		"failureThreshold": 3,
	}
}

func mount(name, path string, readOnly bool) object {
	m := object{"name": name, "mountPath": path}
	if readOnly {
		m["readOnly"] = true
	}
	return m
}

func fieldEnv(name, path string) object {
	return object{"name": name, "valueFrom": object{"fieldRef": object{"apiVersion": "v1", "fieldPath": path}}}
}

// defaulted adds what the API server sets where a client says nothing.
func defaulted(container object) object {
	container["terminationMessagePath"] = "/dev/termination-log"
	container["terminationMessagePolicy"] = "File"
	container["imagePullPolicy"] = "Always"
	return container
}

// service is the container with the application.
func (s shape) service() object {
	return defaulted(object{
		"name":  "app",
		"image": image(s.app),
		"args":  list{"serve", "--config=/etc/app/config.yaml", "--instance=@pod.h5@"},
		"ports": list{
			object{"name": "http", "containerPort": 8080, "protocol": "TCP"},
			object{"name": "metrics", "containerPort": 9090, "protocol": "TCP"},
		},
		"envFrom": list{object{"configMapRef": object{"name": s.app + "-env-@config.h10@"}}},
		"env": list{
			fieldEnv("POD_NAME", "metadata.name"),
			fieldEnv("POD_NAMESPACE", "metadata.namespace"),
			object{"name": "DATABASE_PASSWORD", "valueFrom": object{"secretKeyRef": object{"name": s.app + "-database-@db.h6@", "key": "password"}}},
			object{"name": "DATABASE_URL", "value": "postgres://@db.h6@.databases.svc:5432/" + s.app},
		},
		"resources":      resources("2@cpu.d2@m", "5@memory.d2@Mi"),
		"livenessProbe":  probe("/healthz", "http", 20),
		"readinessProbe": probe("/readyz", "http", 10),
		"volumeMounts": list{
			mount("config", "/etc/app", true), mount("tmp", "/tmp", false), mount("logs", "/var/log/app", false),
			mount("kube-api-access-@token.h5@", "/var/run/secrets/kubernetes.io/serviceaccount", true),
		},
		"securityContext": securityContext(),
	})
}

// proxy is a sidecar as a service mesh adds it.
func (s shape) proxy() object {
	return defaulted(object{
		"name":  "proxy",
		"image": image("proxy"),
		"args":  list{"--upstream=127.0.0.1:8080", "--tls-cert=/etc/tls/tls.crt", "--tls-key=/etc/tls/tls.key", "--cluster=" + s.app + "-@app.h6@"},
		"ports": list{object{"name": "https", "containerPort": 8443, "protocol": "TCP"}},
		"env": list{
			fieldEnv("POD_IP", "status.podIP"),
			object{"name": "TRUST_DOMAIN", "value": "@trust.h6@.example.com"},
		},
		"resources":       resources("1@cpub.d2@m", "1@memoryb.d2@Mi"),
		"livenessProbe":   probe("/live", "https", 20),
		"readinessProbe":  probe("/ready", "https", 10),
		"volumeMounts":    list{mount("tls", "/etc/tls", true), mount("tmp", "/tmp", false)},
		"securityContext": securityContext(),
	})
}

// shipper is a sidecar that sends logs away.
func (s shape) shipper() object {
	return defaulted(object{
		"name":  "log-shipper",
		"image": image("log-shipper"),
		"args":  list{"--from=/var/log/app", "--labels=team=@team.h4@,app=" + s.app},
		"ports": list{object{"name": "status", "containerPort": 2020, "protocol": "TCP"}},
		"env": list{
			fieldEnv("NODE_NAME", "spec.nodeName"),
			object{"name": "TENANT", "value": "tenant-@team.h4@"},
		},
		"resources":       resources("5@cpuc.d1@m", "6@memoryc.d1@Mi"),
		"livenessProbe":   probe("/live", "status", 30),
		"readinessProbe":  probe("/ready", "status", 30),
		"volumeMounts":    list{mount("logs", "/var/log/app", true), mount("tmp", "/tmp", false)},
		"securityContext": securityContext(),
	})
}
