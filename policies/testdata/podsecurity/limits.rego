package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

missing(obj, field) = true { not obj[field] }
missing(obj, field) = true { obj[field] == "" }

canonify_cpu(orig) = new { is_number(orig); new := orig * 1000 }
canonify_cpu(orig) = new { not is_number(orig); endswith(orig, "m"); new := to_number(replace(orig, "m", "")) }
canonify_cpu(orig) = new { not is_number(orig); not endswith(orig, "m"); re_match("^[0-9]+(\\.[0-9]+)?$", orig); new := to_number(orig) * 1000 }

mem_multiple("E") = 1000000000000000000000 { true }
mem_multiple("G") = 1000000000000 { true }
mem_multiple("M") = 1000000000 { true }
mem_multiple("") = 1000 { true }
mem_multiple("Ki") = 1024000 { true }
mem_multiple("Mi") = 1048576000 { true }
mem_multiple("Gi") = 1073741824000 { true }

get_suffix(mem) = suffix { not is_string(mem); suffix := "" }
get_suffix(mem) = suffix { is_string(mem); count(mem) > 1; suffix := substring(mem, count(mem) - 2, -1); mem_multiple(suffix) }
get_suffix(mem) = suffix {
	is_string(mem)
	count(mem) > 1
	suffix := substring(mem, count(mem) - 1, -1)
	not mem_multiple(substring(mem, count(mem) - 2, -1))
	mem_multiple(suffix)
}
canonify_mem(orig) = new { is_number(orig); new := orig * 1000 }
canonify_mem(orig) = new { not is_number(orig); suffix := get_suffix(orig); raw := replace(orig, suffix, ""); re_match("^[0-9]+(\\.[0-9]+)?$", raw); new := to_number(raw) * mem_multiple(suffix) }

violation[{"msg": msg}] {
	c := containers[_]
	not is_exempt(c)
	field := ["cpu", "memory"][_]
	missing(c.resources.limits, field)
	msg := sprintf("container <%v> has no %v limit", [c.name, field])
}
violation[{"msg": msg}] {
	c := containers[_]
	not is_exempt(c)
	cpu := canonify_cpu(c.resources.limits.cpu)
	max_cpu := canonify_cpu(input.parameters.cpu)
	cpu > max_cpu
	msg := sprintf("container <%v> cpu limit <%v> is higher than the maximum allowed of <%v>", [c.name, c.resources.limits.cpu, input.parameters.cpu])
}
violation[{"msg": msg}] {
	c := containers[_]
	not is_exempt(c)
	mem := canonify_mem(c.resources.limits.memory)
	max_mem := canonify_mem(input.parameters.memory)
	mem > max_mem
	msg := sprintf("container <%v> memory limit <%v> is higher than the maximum allowed of <%v>", [c.name, c.resources.limits.memory, input.parameters.memory])
}

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
