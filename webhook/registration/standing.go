package registration

// Standing is how things stand with the registration, as the Keeper has last seen it.
type Standing struct {
	// Asked are the policies about which an API server was seen to ask as they want, in their versions, by name: the registration is written,
	// and a probe of that very registration was answered. Of several API servers it is the one that the Keeper speaks to; others take a
	// registration up within moments.
	Asked map[string]string
	// Unlocked, if it is not nil, is why nothing is asked about at all.
	Unlocked *Unlocked
	// Err is why the registration is not as it should be, and not known to be in force; Asked is empty then.
	Err error
	// Weak says, beside Err, that what should be Fail is registered with Ignore.
	Weak bool
}

// fulfilled are the policies whose wishes are all registered.
func fulfilled(wishes []Wish) map[string]string {
	out := map[string]string{}
	for _, w := range wishes {
		if w.Served {
			out[w.Policy] = w.Version
		}
	}
	return out
}
