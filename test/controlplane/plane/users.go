package plane

import (
	"bytes"
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

const (
	// adminUser is in system:masters, which no authorizer can refuse.
	adminUser             = "admin"
	controllerManagerUser = "system:kube-controller-manager"
)

// account is a user together with the token that proves it.
type account struct {
	User
	token string
}

// ensureAccounts gives every user a token and writes the static token file. Users who already had a token in this directory keep it.
func ensureAccounts(l layout, users []User) (map[string]account, error) {
	known, err := readTokens(l.tokens())
	if err != nil {
		return nil, err
	}
	all := append([]User{{Name: adminUser, Groups: []string{"system:masters"}}, {Name: controllerManagerUser}}, users...)
	accounts := make(map[string]account, len(all))
	var file bytes.Buffer
	w := csv.NewWriter(&file)
	for _, u := range all {
		token := known[u.Name]
		if token == "" {
			if token, err = newToken(); err != nil {
				return nil, fmt.Errorf("make a token for %s: %w", u.Name, err)
			}
		}
		accounts[u.Name] = account{User: u, token: token}
		record := []string{token, u.Name, u.Name}
		if len(u.Groups) > 0 {
			record = append(record, strings.Join(u.Groups, ","))
		}
		if err := w.Write(record); err != nil {
			return nil, fmt.Errorf("write the token of %s: %w", u.Name, err)
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, fmt.Errorf("write the token file: %w", err)
	}
	if err := writeFile(l.tokens(), file.Bytes()); err != nil {
		return nil, fmt.Errorf("write the token file: %w", err)
	}
	return accounts, nil
}

// readTokens returns the token of each user in a static token file, nothing if there is no file.
func readTokens(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the token file: %w", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1 // the groups may be missing
	records, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read the token file %s: %w", path, err)
	}
	tokens := make(map[string]string, len(records))
	for _, record := range records {
		if len(record) > 1 {
			tokens[record[1]] = record[0]
		}
	}
	return tokens, nil
}

func newToken() (string, error) {
	b := make([]byte, 24)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return hex.EncodeToString(b), nil
}
