# METADATA
# scope: package
# title: Amounts of resources
# description: >-
#   What policies ask of quantities, 500m or 1.5Gi, and of the resources of containers. Import it as data.portcullis.quantities.
#   Whatever is not a quantity has no amount, never an error: what is to be within a limit then is not.
package portcullis.quantities

# METADATA
# title: Amount
# description: The number that a quantity means, in whole units, 0.5 for 500m; undefined for what is not a quantity.
amount(written) := quantity.parse(written) if quantity.is_valid(written)

# METADATA
# title: At most
# description: Whether a quantity is no more than another. What is not a quantity never is.
at_most(written, limit) if amount(written) <= amount(limit)

# METADATA
# title: Total
# description: The sum of quantities; undefined if one of them is not a quantity.
total(written) := sum(amounts) if {
	amounts := [n | some one in written; n := amount(one)]
	count(amounts) == count(written)
}

# METADATA
# title: Limit
# description: >-
#   How much of a resource, as memory, a container, an entry of kubernetes.containers or a Pod specification may use, as it is
#   written; undefined where it says nothing.
limit(of, resource) := _resources(of).limits[resource]

# METADATA
# title: Request
# description: >-
#   How much of a resource, as memory, a container, an entry of kubernetes.containers or a Pod specification asks for, as it is
#   written. Where it says nothing it is the limit, as Kubernetes has it; undefined where there is none either.
request(of, resource) := written if {
	written := _resources(of).requests[resource]
} else := limit(of, resource)

# METADATA
# title: Ratio
# description: >-
#   How many times its request the limit of a container is; undefined where either is missing or is not a quantity, and where
#   the request is none.
ratio(of, resource) := amount(limit(of, resource)) / asked if {
	asked := amount(request(of, resource))
	asked > 0
}

# What has an image is a container, whatever else somebody has written into it, and no entry.
_resources(of) := of.resources if {
	of.resources
} else := of.container.resources if not of.image
