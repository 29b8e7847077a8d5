package library

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// maker makes Pods up, with all fields that the Pod Security Standards look at, and with what Kubernetes' own decoder makes nothing of: null
// and what is empty. Most fields are as the restricted level wants them, so that what is wrong is not lost among much else that is.
type maker struct{ *rand.Rand }

// absent is a field that is not there.
type absent struct{}

// one picks one of several values, or makes it; the first as often as all others together.
func (m maker) one(values ...any) any {
	i := 0
	if m.IntN(2) == 0 {
		i = m.IntN(len(values))
	}
	if makes, ok := values[i].(func() any); ok {
		return makes()
	}
	return values[i]
}

// any is one of many values, or a text that nobody knows.
func (m maker) any(values []string) func() any {
	return func() any {
		if m.IntN(5) > 0 {
			return values[m.IntN(len(values))]
		}
		var out strings.Builder
		for range m.IntN(12) {
			out.WriteByte("abcxyzABCXYZ019._-/:@"[m.IntN(21)])
		}
		return out.String()
	}
}

// rarely is absent nine times out of ten.
func (m maker) rarely(make func() any) any {
	switch m.IntN(20) {
	case 0:
		return make()
	case 1:
		return m.one(make, nil)
	}
	return absent{}
}

// fieldsOf is an object without the fields that are absent.
func fieldsOf(fields map[string]any) map[string]any {
	for name, value := range fields {
		if _, ok := value.(absent); ok {
			delete(fields, name)
		}
	}
	return fields
}

// list is one of up to most elements.
func (m maker) list(most int, make func() any) any {
	out := []any{}
	for range m.IntN(most + 1) {
		out = append(out, make())
	}
	return out
}

func (m maker) pod() map[string]any {
	return fieldsOf(map[string]any{
		"metadata": fieldsOf(map[string]any{"name": "x", "annotations": m.one(absent{}, nil, map[string]any{}, m.annotations, m.annotations)}),
		"spec":     m.spec(),
	})
}

func (m maker) name() any { return m.one("app", "proxy", "setup", "debug", "", absent{}) }

func (m maker) annotations() any {
	out := map[string]any{}
	for range 1 + m.IntN(3) {
		key := m.one("seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/app",
			"container.seccomp.security.alpha.kubernetes.io/debug", "container.seccomp.security.alpha.kubernetes.io/",
			"container.apparmor.security.beta.kubernetes.io/app", "container.apparmor.security.beta.kubernetes.io/", "example.com/app").(string)
		out[key] = m.one("runtime/default", "docker/default", "localhost/x", "localhost", "unconfined", "", nil, "RuntimeDefault", m.any(profiles))
	}
	return out
}

func (m maker) spec() map[string]any {
	containers := func() any {
		return m.list(3, func() any {
			if m.IntN(100) == 0 {
				return nil
			}
			return m.container()
		})
	}
	flag := func() any { return m.one(false, true, nil) }
	return fieldsOf(map[string]any{
		"containers":          m.one(containers, containers, absent{}, nil),
		"initContainers":      m.one(absent{}, absent{}, containers, nil),
		"ephemeralContainers": m.one(absent{}, absent{}, containers, nil),
		"hostNetwork":         m.rarely(flag),
		"hostPID":             m.rarely(flag),
		"hostIPC":             m.rarely(flag),
		"hostUsers":           m.one(absent{}, false, false, true, nil),
		"os": m.one(absent{}, map[string]any{"name": "windows"}, map[string]any{"name": "windows"}, map[string]any{"name": "linux"},
			map[string]any{"name": ""}, map[string]any{"name": nil}, map[string]any{}, nil, func() any { return map[string]any{"name": m.any(systems)()} }),
		"securityContext": m.one(m.podContext, m.podContext, absent{}, nil, map[string]any{}),
		"volumes": m.one(absent{}, nil, func() any {
			return m.list(3, func() any {
				if m.IntN(50) == 0 {
					return nil
				}
				return m.volume()
			})
		}),
	})
}

func (m maker) container() any {
	return fieldsOf(map[string]any{
		"name":  m.name(),
		"image": m.one("registry.example.com/app:1", absent{}),
		"ports": m.rarely(func() any {
			return m.list(2, func() any {
				return m.one(fieldsOf(map[string]any{"containerPort": 80, "hostPort": m.one(absent{}, 0, nil, 8080, 9090)}), nil)
			})
		}),
		"livenessProbe":  m.rarely(m.handler),
		"readinessProbe": m.rarely(m.handler),
		"startupProbe":   m.rarely(m.handler),
		"lifecycle": m.rarely(func() any {
			return fieldsOf(map[string]any{"postStart": m.one(m.handler, absent{}, nil), "preStop": m.one(m.handler, absent{}, nil)})
		}),
		"securityContext": m.one(m.containerContext, m.containerContext, m.containerContext, absent{}, nil, map[string]any{}),
	})
}

func (m maker) handler() any {
	host := func() any {
		return m.one(fieldsOf(map[string]any{"port": 80, "host": m.one(absent{}, "", nil, "10.0.0.1", "example.com")}), absent{}, nil)
	}
	return fieldsOf(map[string]any{
		"httpGet": host(), "tcpSocket": host(),
		"exec": m.one(absent{}, map[string]any{"command": []any{"true"}}),
	})
}

// context is what securityContexts of Pods and of containers have in common.
func (m maker) context() map[string]any {
	profile := func() any {
		return m.one(map[string]any{"type": "RuntimeDefault"}, map[string]any{"type": "Localhost"}, map[string]any{"type": "Unconfined"},
			map[string]any{"type": "runtime/default"}, map[string]any{"type": ""}, map[string]any{"type": nil}, map[string]any{}, nil, absent{},
			func() any { return map[string]any{"type": m.any(profiles)()} })
	}
	return map[string]any{
		"runAsNonRoot":    m.one(true, true, absent{}, false, nil),
		"runAsUser":       m.one(absent{}, 1000, nil, 0),
		"seccompProfile":  m.one(map[string]any{"type": "RuntimeDefault"}, profile, absent{}),
		"appArmorProfile": m.rarely(profile),
		"seLinuxOptions": m.rarely(func() any {
			part := func() any { return m.one(absent{}, "", nil, "system_u") }
			return fieldsOf(map[string]any{
				"type": m.one(absent{}, "", nil, "container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t", m.any(seLinuxTypes)),
				"user": part(), "role": part(), "level": part(),
			})
		}),
		"windowsOptions": m.rarely(func() any { return fieldsOf(map[string]any{"hostProcess": m.one(true, false, nil, absent{})}) }),
		"runAsGroup":     m.one(absent{}, 0),
	}
}

func (m maker) podContext() any {
	fields := m.context()
	fields["sysctls"] = m.rarely(func() any {
		return m.list(3, func() any {
			return m.one(fieldsOf(map[string]any{"name": m.sysctl(), "value": "1"}), fieldsOf(map[string]any{"name": m.sysctl(), "value": "1"}), nil)
		})
	})
	return fieldsOf(fields)
}

func (m maker) sysctl() any {
	return m.one(m.any(sysctls), "", nil, absent{})
}

func (m maker) containerContext() any {
	fields := m.context()
	fields["privileged"] = m.rarely(func() any { return m.one(true, false, nil) })
	fields["allowPrivilegeEscalation"] = m.one(false, false, false, true, nil, absent{})
	fields["procMount"] = m.rarely(func() any { return m.one("Default", "Unmasked", "", nil, m.any(procMounts)) })
	names := func(usual ...any) any {
		return m.one(absent{}, nil, func() any {
			return m.list(3, func() any {
				return m.one(append(usual, "CHOWN", "NET_RAW", "SYS_ADMIN", "CAP_CHOWN", "all", "", nil, m.any(capabilities))...)
			})
		})
	}
	fields["capabilities"] = m.one(
		func() any { return fieldsOf(map[string]any{"drop": []any{"ALL"}, "add": names("NET_BIND_SERVICE")}) },
		func() any { return fieldsOf(map[string]any{"drop": names("ALL"), "add": names("NET_BIND_SERVICE")}) },
		map[string]any{}, nil, absent{})
	return fieldsOf(fields)
}

// volumeSources are all types of volumes there are, by the names of their fields.
func volumeSources() map[string]bool {
	out := map[string]bool{}
	for field := range reflect.TypeFor[corev1.VolumeSource]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		out[name] = true
	}
	return out
}

// sources are the volumeSources in an order that stays.
var sources = func() (out []any) {
	for field := range reflect.TypeFor[corev1.VolumeSource]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}()

func (m maker) volume() any {
	out := fieldsOf(map[string]any{"name": m.one(fmt.Sprintf("v%d", m.IntN(3)), "", absent{})})
	for range m.one(1, 1, 2, 0).(int) {
		out[sources[m.IntN(len(sources))].(string)] = m.one(map[string]any{}, nil)
	}
	return out
}
