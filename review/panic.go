package review

// PanicError is what becomes of a panic while a question is answered: no answer, and the process lives. Its text does not tell what the
// code panicked with, which may quote the request, so it may be shown to users; Value and Stack are for the log.
type PanicError struct {
	Value any    // what the code panicked with
	Stack []byte // where
}

// Error returns "panicked"; who wraps it says what did.
func (*PanicError) Error() string { return "panicked" }
