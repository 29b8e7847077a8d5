package replicas

import "testing"

func TestAddressesOfPages(t *testing.T) {
	for text, want := range map[string]bool{
		"10.0.0.7:10443": true, "[fd00::7]:10443": true, "portcullis-0.example.com:443": true,
		"": false, "10.0.0.7": false, "10.0.0.7:": false, ":10443": false, "10.0.0.7:0": false, "10.0.0.7:65536": false, "10.0.0.7:https": false,
		"user@10.0.0.7:443": false, "10.0.0.7:443/ui": false, "evil.example.com/x?:443": false, "a b:443": false, "http://10.0.0.7:443": false, "fd00::7:443": false,
	} {
		if err := CheckAddress(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
		if got := address(text) != ""; got != want {
			t.Errorf("%q is taken: %t", text, got)
		}
	}
}
