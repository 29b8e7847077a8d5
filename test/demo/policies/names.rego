# METADATA
# title: ConfigMaps have names that say something
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [configmaps], operations: [CREATE]}
package demo.names

import data.portcullis.kubernetes

deny contains "the name begins with tmp-; say what it is for" if {
	startswith(kubernetes.object.metadata.name, "tmp-")
}
