package policies

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/review"
)

// identity is what a user rule says of a token: whose it is, and for which audiences it is good, sorted; none if the rule did not look.
type identity struct {
	user      review.User
	audiences []string
}

// errNotJSON leaves out why: like all that is said here, it reaches the answer, and must quote nothing that may have been made of the token.
var errNotJSON = errors.New("it returns a user that is not JSON")

// readIdentity reads the value of a user rule. It is nil for a token that is good for no audience. Names the API server gives a meaning, those
// beginning with "system:", are refused: a policy that took one from a token's claims would let its issuer be anybody. A user without a name
// is no user. Members it does not know are refused too: a misspelt "audiences" would make the token good for the API server.
func readIdentity(value ast.Value) (*identity, error) {
	object, ok := value.(ast.Object)
	if !ok {
		return nil, fmt.Errorf("it returns %s where a user should be an object", ast.ValueName(value))
	}
	known := []ast.Value{ast.String("username"), ast.String("uid"), ast.String("groups"), ast.String("extra"), ast.String("audiences")}
	for _, key := range object.Keys() {
		if !slices.ContainsFunc(known, func(name ast.Value) bool { return key.Value.Compare(name) == 0 }) {
			return nil, errors.New("it returns a user with a member that is none of username, uid, groups, extra and audiences")
		}
	}
	decoded, err := ast.JSON(value)
	if err != nil {
		return nil, errNotJSON
	}
	text, err := json.Marshal(decoded)
	if err != nil {
		return nil, errNotJSON
	}
	var user struct {
		Username string              `json:"username"`
		UID      string              `json:"uid"`
		Groups   []string            `json:"groups"`
		Extra    map[string][]string `json:"extra"`
	}
	if err := json.Unmarshal(text, &user); err != nil {
		return nil, errors.New("it returns a user that is not {username, uid, groups, extra, audiences} with text, text, a list of texts, " +
			"lists of texts by key and a list of texts")
	}
	if user.Username == "" {
		return nil, errors.New("it returns a user without a username")
	}
	for _, name := range append([]string{user.Username}, user.Groups...) {
		if strings.HasPrefix(name, "system:") {
			return nil, errors.New(`it returns a user or group whose name begins with "system:", which Kubernetes keeps for itself`)
		}
	}
	for key := range user.Extra {
		if key != strings.ToLower(key) {
			return nil, errors.New("it returns a user with an extra key that is not in lower case")
		}
	}
	out := &identity{user: review.User{Username: user.Username, UID: user.UID, Groups: user.Groups, Extra: user.Extra}}
	audiences := object.Get(ast.InternedTerm("audiences"))
	if audiences == nil {
		return out, nil
	}
	if out.audiences, err = readAudiences(audiences.Value); err != nil {
		return nil, err
	}
	if len(out.audiences) == 0 { // which is not the same as not having looked
		return nil, nil
	}
	return out, nil
}

func readAudiences(value ast.Value) ([]string, error) {
	var out []string
	err := elements(value, func(term *ast.Term) error {
		text, ok := term.Value.(ast.String)
		if !ok || text == "" {
			return fmt.Errorf("%s is no audience", ast.ValueName(term.Value))
		}
		out = append(out, string(text))
		return nil
	})
	if err != nil {
		return nil, errors.New("it returns a user whose audiences are not a list of texts that are not empty")
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
