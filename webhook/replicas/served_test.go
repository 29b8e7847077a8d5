package replicas

import (
	"fmt"
	"testing"
)

func TestServed(t *testing.T) {
	versions := map[string]string{}
	for i := range maxServed {
		versions[fmt.Sprint("policy-", i)] = fmt.Sprint("version-", i)
	}
	all := Serving(versions)
	if len(all) != maxServed*stampLength || len(all) > 64<<10 {
		t.Errorf("a Lease lists them in %d bytes", len(all))
	}
	if all != Serving(versions) {
		t.Error("the same policies are said in two ways")
	}
	for i := range maxServed {
		if !all.Has(fmt.Sprint("policy-", i), fmt.Sprint("version-", i)) {
			t.Fatalf("policy-%d is not among them", i)
		}
		if all.Has(fmt.Sprint("policy-", i), "version") {
			t.Fatalf("policy-%d is among them in any version", i)
		}
	}
	if Served("").Has("policy-0", "version-0") || Served("garbage").Has("", "") {
		t.Error("who serves nothing serves something")
	}
	versions["one more"] = "1"
	if Serving(versions) != "" {
		t.Error("a Lease grows without bound")
	}
}
