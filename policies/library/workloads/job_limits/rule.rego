# METADATA
# title: Jobs come to an end
# description: >-
#   A Job that hangs runs until somebody looks, one that fails is tried again and again, and one that has ended lies about until
#   it is deleted. Jobs, and those that CronJobs make, need the limits of the parameter. What a CronJob makes it also tidies
#   up, and needs no ttlSecondsAfterFinished. Where none is set, a Pod is tried anew six times.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-termination-and-cleanup
#   description: Termination and cleanup of Jobs
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/
#   description: Cleanup of Jobs that are finished
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [jobs.batch, cronjobs.batch], changes: [spec]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         maximum:
#           description: The fields that are judged, each with the highest value it may have.
#           type: object
#           additionalProperties: false
#           properties:
#             activeDeadlineSeconds:
#               description: For how long a Job may run, in seconds.
#               type: integer
#               minimum: 1
#             ttlSecondsAfterFinished:
#               description: For how long a Job may lie about after it has ended, in seconds.
#               type: integer
#               minimum: 0
#             backoffLimit:
#               description: How often a Pod that failed may be tried anew; of Jobs with a backoffLimitPerIndex it is that.
#               type: integer
#               minimum: 0
#           default: {activeDeadlineSeconds: 86400, ttlSecondsAfterFinished: 604800, backoffLimit: 6}
package portcullis.library.workloads.job_limits

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some key in ["activeDeadlineSeconds", "ttlSecondsAfterFinished"]
	maximum := input.parameters.maximum[key]
	is_object(job)
	not within(job, key, maximum)
	not tidied_up(key)
	field := sprintf("%s.%s", [path, key])
	message := sprintf("the Job has no %s of at most %d; set it", [key, maximum])
}

deny contains {"message": message, "field": field} if {
	maximum := input.parameters.maximum.backoffLimit
	is_object(job)
	not within(object.union({"backoffLimit": 6}, job), retries, maximum)
	field := sprintf("%s.%s", [path, retries])
	message := sprintf("the Job tries a Pod that failed more than %d times anew; lower %s", [maximum, retries])
}

path := "spec.jobTemplate.spec" if input.request.kind.kind == "CronJob"

path := "spec" if input.request.kind.kind != "CronJob"

job := kubernetes.object.spec.jobTemplate.spec if input.request.kind.kind == "CronJob"

job := kubernetes.object.spec if input.request.kind.kind != "CronJob"

within(of, key, maximum) if {
	is_number(of[key])
	of[key] <= maximum
}

tidied_up("ttlSecondsAfterFinished") if input.request.kind.kind == "CronJob"

tidied_up("ttlSecondsAfterFinished") if {
	some owner in kubernetes.object.metadata.ownerReferences
	owner.kind == "CronJob"
	owner.controller
}

default retries := "backoffLimit"

retries := "backoffLimitPerIndex" if is_number(job.backoffLimitPerIndex)
