package cmd

import (
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123"}
	modified := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for want, info := range map[string]debug.BuildInfo{
		"v1.2.3":                            {Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{commit}},
		"development build":                 {Main: debug.Module{Version: "(devel)"}},
		"development build of 0123456789ab": {Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{commit}},
		"development build of 0123456789ab, modified": {Settings: []debug.BuildSetting{commit, modified}},
	} {
		if got := versionOf(&info); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
