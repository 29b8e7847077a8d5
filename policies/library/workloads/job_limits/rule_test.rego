package portcullis.library.workloads.job_limits_test

import data.portcullis.library.workloads.job_limits

parameters := {"maximum": {"activeDeadlineSeconds": 3600, "ttlSecondsAfterFinished": 60, "backoffLimit": 6}}

job(spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Job"}, "object": {"spec": spec}},
	"parameters": parameters,
}

cron_job(spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "CronJob"}, "object": {"spec": {"jobTemplate": {"spec": spec}}}},
	"parameters": parameters,
}

limited := {"activeDeadlineSeconds": 3600, "ttlSecondsAfterFinished": 0}

test_jobs_without_limits_are_denied if {
	job_limits.deny == {
		{"message": "the Job has no activeDeadlineSeconds of at most 3600; set it", "field": "spec.activeDeadlineSeconds"},
		{"message": "the Job has no ttlSecondsAfterFinished of at most 60; set it", "field": "spec.ttlSecondsAfterFinished"},
	} with input as job({})
}

test_jobs_with_too_high_limits_are_denied if {
	job_limits.deny == {
		{"message": "the Job has no activeDeadlineSeconds of at most 3600; set it", "field": "spec.activeDeadlineSeconds"},
		{"message": "the Job has no ttlSecondsAfterFinished of at most 60; set it", "field": "spec.ttlSecondsAfterFinished"},
		{"message": "the Job tries a Pod that failed more than 6 times anew; lower backoffLimit", "field": "spec.backoffLimit"},
	} with input as job({"activeDeadlineSeconds": 3601, "ttlSecondsAfterFinished": 61, "backoffLimit": 7})
}

test_jobs_with_limits_are_allowed if {
	every backoff in [{}, {"backoffLimit": 6}, {"backoffLimit": 2147483647, "backoffLimitPerIndex": 1}] {
		job_limits.deny == set() with input as job(object.union(limited, backoff))
	}
}

test_none_given_is_six_retries if {
	job_limits.deny == {{
		"message": "the Job tries a Pod that failed more than 3 times anew; lower backoffLimit",
		"field": "spec.backoffLimit",
	}} with input as job({}) with input.parameters as {"maximum": {"backoffLimit": 3}}
}

test_retries_are_counted_by_index_where_there_is_one if {
	job_limits.deny == {{
		"message": "the Job tries a Pod that failed more than 6 times anew; lower backoffLimitPerIndex",
		"field": "spec.backoffLimitPerIndex",
	}} with input as job(object.union(limited, {"backoffLimitPerIndex": 7}))
}

test_null_is_no_limit if {
	count(job_limits.deny) == 3 with input as job({"activeDeadlineSeconds": null, "ttlSecondsAfterFinished": null, "backoffLimit": null})
}

test_what_is_not_in_the_parameter_is_not_judged if {
	job_limits.deny == set() with input as job({"backoffLimit": 99}) with input.parameters as {"maximum": {}}
}

test_cron_jobs_tidy_up if {
	job_limits.deny == {{
		"message": "the Job has no activeDeadlineSeconds of at most 3600; set it",
		"field": "spec.jobTemplate.spec.activeDeadlineSeconds",
	}} with input as cron_job({})
	owned := {"ownerReferences": [{"kind": "CronJob", "controller": true}]}
	job_limits.deny == set() with input as job({"activeDeadlineSeconds": 1}) with input.request.object.metadata as owned
	count(job_limits.deny) == 1 with input as job({"activeDeadlineSeconds": 1})
		with input.request.object.metadata as {"ownerReferences": [{"kind": "CronJob"}]}
}
