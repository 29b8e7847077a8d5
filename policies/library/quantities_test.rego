package portcullis.quantities_test

import data.portcullis.quantities

test_amount if {
	quantities.amount("500m") == 0.5
	quantities.amount("1Ki") == 1024
	quantities.amount(2) == 2
	every written in ["", "1Gx", null, {}, []] {
		not quantities.amount(written)
	}
}

test_at_most if {
	quantities.at_most("500m", "0.5")
	quantities.at_most("1Gi", "1Gi")
	not quantities.at_most("1025Mi", "1Gi")
	not quantities.at_most("much", "1Gi")
	not quantities.at_most("1Gi", null)
}

test_total if {
	quantities.total([]) == 0
	quantities.total(["500m", 1, "500m"]) == 2
	not quantities.total(["500m", "much"])
}

container := {"resources": {"limits": {"memory": "2Gi", "cpu": "1"}, "requests": {"memory": "1Gi"}}}

test_limit_and_request if {
	quantities.limit(container, "memory") == "2Gi"
	quantities.request(container, "memory") == "1Gi"
	not quantities.limit(container, "ephemeral-storage")
	not quantities.request(container, "ephemeral-storage")
}

test_a_request_is_by_default_the_limit if {
	quantities.request(container, "cpu") == "1"
}

test_entries_of_containers_are_taken_for_what_they_have if {
	entry := {"container": object.union(container, {"image": "a"}), "kind": "container", "name": "", "path": "spec.containers[0]"}
	quantities.limit(entry, "memory") == "2Gi"
	quantities.request(entry, "memory") == "1Gi"
	quantities.ratio(entry, "memory") == 2
	not quantities.limit({"image": "a", "container": container}, "memory")
	every strange in ["", null, 1, [], {}, {"container": {"image": "a"}}] {
		not quantities.limit(strange, "memory")
	}
}

test_ratio if {
	quantities.ratio(container, "memory") == 2
	quantities.ratio(container, "cpu") == 1
	not quantities.ratio(container, "ephemeral-storage")
	not quantities.ratio({"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "0"}}}, "cpu")
	not quantities.ratio({"resources": {"limits": {"cpu": "much"}, "requests": {"cpu": "1"}}}, "cpu")
	not quantities.ratio({}, "cpu")
}
