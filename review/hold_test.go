package review

import "testing"

func TestWhatAReviewHoldsIsFreedWhenNothingWorksOnItAnyMore(t *testing.T) {
	freed := 0
	ctx, returned := WithHold(t.Context(), func() { freed++ })
	first, second := Hold(ctx), Hold(ctx)
	first()
	returned()
	if freed != 0 {
		t.Error("it is free while somebody works on it")
	}
	if second(); freed != 1 {
		t.Errorf("it was freed %d times", freed)
	}
	_, returned = WithHold(t.Context(), func() { freed++ })
	if returned(); freed != 2 {
		t.Error("without a Hold it is not freed when the Reviewer returns")
	}
	Hold(t.Context())() // where nothing is held, nothing happens
}
