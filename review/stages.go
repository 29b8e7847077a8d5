package review

// DialectOf reads and answers the reviews of a stage; of none it is nil.
func DialectOf(stage Stage) Dialect {
	switch stage {
	case Authenticate:
		return DialectAuthenticate
	case Guard:
		return DialectGuard
	case Grant:
		return DialectGrant
	case Mutate:
		return DialectMutate
	case Validate:
		return DialectValidate
	case Image:
		return DialectImage
	}
	return nil
}
