package portcullis.library.workloads.rolling_update_test

import data.portcullis.library.workloads.rolling_update

asked(kind, spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": kind}, "object": {"spec": spec}},
	"parameters": {"maxUnavailable": 50},
}

rolling(replicas, value) := asked("Deployment", {
	"replicas": replicas,
	"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": value}},
})

test_replicas_that_are_recreated_are_denied if {
	rolling_update.deny == {{
		"message": "all 2 replicas are stopped before the first new one is started; set spec.strategy.type to RollingUpdate",
		"field": "spec.strategy.type",
	}} with input as asked("Deployment", {"replicas": 2, "strategy": {"type": "Recreate"}})
}

test_a_single_replica_may_be_recreated if {
	every spec in [{"strategy": {"type": "Recreate"}}, {"replicas": 1, "strategy": {"type": "Recreate"}}, {"replicas": null}] {
		rolling_update.deny == set() with input as asked("Deployment", spec)
	}
}

test_too_many_at_a_time_are_denied if {
	rolling_update.deny == {{
		"message": "an update may stop 67% of the Pods at a time by maxUnavailable 2, and 50% are allowed; lower it",
		"field": "spec.strategy.rollingUpdate.maxUnavailable",
	}} with input as rolling(3, 2)
	rolling_update.deny == {{
		"message": "an update may stop 75% of the Pods at a time by maxUnavailable 80%, and 50% are allowed; lower it",
		"field": "spec.strategy.rollingUpdate.maxUnavailable",
	}} with input as rolling(4, "80%")
	every value in [7, "0100%"] {
		rolling_update.deny == {{
			"message": sprintf("an update may stop 100%% of the Pods at a time by maxUnavailable %v, and 50%% are allowed; lower it", [value]),
			"field": "spec.strategy.rollingUpdate.maxUnavailable",
		}} with input as rolling(2, value)
	}
}

test_few_enough_are_allowed if {
	every case in [[2, 1], [4, 2], [3, "60%"], [2, "99%"], [4, "25%"], [1, 1], [1, "100%"], [3, "0%"], [3, 0], [3, null], [3, "x"]] {
		rolling_update.deny == set() with input as rolling(case[0], case[1])
	}
}

test_stateful_sets_are_judged_alike if {
	rolling_update.deny == {{
		"message": "an update may stop 100% of the Pods at a time by maxUnavailable 100%, and 50% are allowed; lower it",
		"field": "spec.updateStrategy.rollingUpdate.maxUnavailable",
	}} with input as asked("StatefulSet", {"replicas": 3, "updateStrategy": {"rollingUpdate": {"maxUnavailable": "100%"}}})
}

test_of_daemon_sets_shares_are_judged if {
	daemons := {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "51%"}}}
	rolling_update.deny == {{
		"message": "an update may stop 51% of the Pods at a time by maxUnavailable 51%, and 50% are allowed; lower it",
		"field": "spec.updateStrategy.rollingUpdate.maxUnavailable",
	}} with input as asked("DaemonSet", daemons)
	every value in [100, "50%"] {
		rolling_update.deny == set() with input as asked("DaemonSet", {"updateStrategy": {"rollingUpdate": {"maxUnavailable": value}}})
	}
}
