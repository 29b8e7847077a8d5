package plane

import (
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	for name, tc := range map[string]struct{ log, want string }{
		"empty":              {"\n\n", "the log is empty"},
		"nothing stands out": {"I1123 one\nW1123 two\n", "I1123 one\nW1123 two"},
		"an error among other lines": {
			"I1123 07:00 a\nE1123 07:00 \"command failed\" err=\"no\"\nI1123 07:00 b\n",
			"E1123 07:00 \"command failed\" err=\"no\"",
		},
		"an error of several lines": {
			"E1123 07:00 \"command failed\" err=<\n\tno file\n\tno luck\n >\nI1123 bye\n",
			"E1123 07:00 \"command failed\" err=<\n\tno file\n\tno luck\n >",
		},
		"usage before the error of cobra": {
			"Usage:\n  kube-apiserver [flags]\nError: unknown flag: --x\n",
			"Error: unknown flag: --x",
		},
		"a panic is counted from its first line": {
			"E1123 07:00 earlier\npanic: oh\n1\n2\n3\n4\n5\n6\n7\n",
			"panic: oh\n1\n2\n3\n4\n5",
		},
		"an old error explains nothing": {
			"E1123 07:00 old\n" + strings.Repeat("I1123 07:00 x\n", recentLines),
			strings.TrimSuffix(strings.Repeat("I1123 07:00 x\n", tailLines), "\n"),
		},
		"a long line is cut": {strings.Repeat("x", tailWidth+1), strings.Repeat("x", tailWidth) + "..."},
	} {
		if got := tail(tc.log); got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tc.want)
		}
	}
}

func TestMissingChecks(t *testing.T) {
	if got := missing("[+]ping ok\n[-]a failed: reason withheld\n[-]b failed\nreadyz check failed\n"); got != "a failed: reason withheld; b failed" {
		t.Error(got)
	}
	if got := missing(`{"kind":"Status"}` + "\n"); got != `{"kind":"Status"}` {
		t.Error(got)
	}
}
