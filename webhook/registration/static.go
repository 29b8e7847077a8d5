package registration

// IsProbe reports whether a webhook of that name is there only to be probed, so that a registration which nobody probes may go without.
func IsProbe(name string) bool { return name == probeName(Mutate) || name == probeName(Validate) }
