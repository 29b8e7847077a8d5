// Package review is the vocabulary of Portcullis: the question the API server asks (Request), the answer it gets (Decision)
// and the verb (Reviewer), together with the Dialects that spell them as TokenReview, SubjectAccessReview, AdmissionReview
// and ImageReview. It is pure data: no HTTP, no policies, no clients, no clocks.
package review
