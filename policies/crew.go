package policies

import "time"

// crew runs functions on goroutines that outlive them. Rego's evaluation needs a deep stack, and a new goroutine begins with a small
// one, which is copied each time it grows: a fifth of the time it takes to answer a small review. A goroutine that has run one keeps its stack for the
// next.
type crew chan func()

// idle is how long a goroutine waits for something to run. A server under load always has something; one without needs none.
const idle = 10 * time.Second

// run runs f at once: on a goroutine that waits for it, if there is one, else on a new one.
func (c crew) run(f func()) {
	select {
	case c <- f:
	default:
		go c.work(f)
	}
}

func (c crew) work(f func()) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		f()
		timer.Reset(idle)
		select {
		case f = <-c:
		case <-timer.C:
			return
		}
	}
}
