package fields

// object is one that Rego makes, or a part of a review: it may have more members than are known.
type object struct{ members map[string]Type }

func (o *object) field(name string) (Type, bool) {
	one, ok := o.members[name]
	return one, ok
}

func (o *object) each() (Type, bool) {
	var all []Type
	for _, one := range o.members {
		all = append(all, one)
	}
	return union(all...), len(all) > 0
}

// array is one whose elements are spelt out.
type array struct{ items []Type }

func (a *array) field(string) (Type, bool) { return Type{}, false }

func (a *array) each() (Type, bool) { return union(a.items...), len(a.items) > 0 }

// collection is a set, an array or an object whose elements have one type.
type collection struct{ of Type }

func (c *collection) field(string) (Type, bool) { return c.of, true }

func (c *collection) each() (Type, bool) { return c.of, true }

// text is a text that is spelt out.
type text string

func (text) field(string) (Type, bool) { return Type{}, false }

func (text) each() (Type, bool) { return Type{}, false }

// plain is a number, a boolean or null.
type plain struct{}

func (plain) field(string) (Type, bool) { return Type{}, false }

func (plain) each() (Type, bool) { return Type{}, false }
