package policies

import "time"

// Observer hears how each policy fares. Its methods are called while a request waits, from many goroutines, and must return at once.
type Observer interface {
	// Asked is called with the time one rule of a policy took, and what was wrong with its answer, if anything.
	Asked(policy string, took time.Duration, err error)
	// Overrun is called with 1 when an evaluation that used up its time does not stop, and with -1 when it does at last.
	Overrun(policy string, by int)
	// Quarantined is called each time a policy is not asked because too many of its evaluations do not stop, or one has not for too long.
	Quarantined(policy string)
}

// nobody is the Observer of a Set that was given none.
type nobody struct{}

func (nobody) Asked(string, time.Duration, error) {}
func (nobody) Overrun(string, int)                {}
func (nobody) Quarantined(string)                 {}
