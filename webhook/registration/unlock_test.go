package registration

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/fake"
)

func TestUnlocked(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	for name, tc := range map[string]struct {
		until string
		open  bool
		err   string
	}{
		"nothing said":          {"", false, ""},
		"for an hour":           {in(time.Hour), true, ""},
		"in another time zone":  {now.Add(time.Hour).In(time.FixedZone("", 7200)).Format(time.RFC3339), true, ""},
		"until now":             {in(0), false, ""},
		"long ago":              {in(-1000 * time.Hour), false, ""},
		"for a day":             {in(MaxUnlock), true, ""},
		"a clock that is ahead": {in(MaxUnlock + time.Minute), true, ""},
		"for a week": {
			in(7 * MaxUnlock), false,
			"MutatingWebhookConfiguration portcullis: annotation portcullis.dev/unlocked-until is more than 24h0m0s ahead",
		},
		"no time": {
			"tomorrow", false, `MutatingWebhookConfiguration portcullis: annotation portcullis.dev/unlocked-until: ` +
				`parsing time "tomorrow" as "2006-01-02T15:04:05Z07:00": cannot parse "tomorrow" as "2006"`,
		},
	} {
		o := &object{TypeMeta: metav1.TypeMeta{Kind: mutatingKind}, ObjectMeta: metav1.ObjectMeta{Name: "portcullis"}}
		o.Annotations = map[string]string{UnlockedUntil: tc.until, UnlockedBy: "alice", UnlockedReason: "why"}
		// One configuration is gone, and one says nothing.
		open, err := unlocked([]*object{nil, {}, o}, now)
		if (open != nil) != tc.open || (err != nil) != (tc.err != "") || err != nil && err.Error() != tc.err {
			t.Errorf("%s: %+v, %v", name, open, err)
		}
		if open != nil && (open.By != "alice" || open.Reason != "why") {
			t.Errorf("%s: %+v", name, open)
		}
	}
}

func TestUnlockRefuses(t *testing.T) {
	client := fake.NewSimpleDynamicClient(runtime.NewScheme())
	for _, tc := range []struct {
		period     time.Duration
		reason, by string
		want       string
	}{
		{25 * time.Hour, "why", "alice", "a cluster can be unlocked for at most 24h0m0s, not for 25h0m0s"},
		{0, "why", "alice", "a cluster can be unlocked for at most 24h0m0s, not for 0s"},
		{time.Hour, "", "alice", "say why the cluster is unlocked; it is kept with the webhook configurations"},
		{time.Hour, "why", "", "say who unlocks the cluster; it is kept with the webhook configurations"},
		{
			time.Hour, "why", "alice",
			`there is no webhook configuration named "portcullis"; if the release has another name, give it with --name`,
		},
	} {
		if _, err := Unlock(t.Context(), client, "portcullis", tc.period, tc.reason, tc.by, time.Now()); err == nil || err.Error() != tc.want {
			t.Errorf("%v, want: %s", err, tc.want)
		}
	}
	const want = `there is no webhook configuration named "portcullis"; if the release has another name, give it with --name`
	if err := Lock(t.Context(), client, "portcullis"); err == nil || err.Error() != want {
		t.Error(err)
	}
}
