package listen

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"strings"
)

var errOwner = errors.New("no such owner")

// owner reads USER, USER:GROUP or :GROUP. A part that is missing is -1, which os.Chown leaves as it
// is.
func owner(text string) (uid, gid int, err error) {
	name, group, _ := strings.Cut(text, ":")
	if uid, err = idOf(name, func() (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	}); err != nil {
		return -1, -1, err
	}
	gid, err = idOf(group, func() (string, error) {
		g, err := user.LookupGroup(group)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	return uid, gid, err
}

// idOf is the number of a user or a group, by name or number.
func idOf(name string, lookup func() (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	text, err := lookup()
	if err != nil {
		return -1, fmt.Errorf("%w: %w", errOwner, err)
	}
	id, err := strconv.Atoi(text)
	if err != nil {
		return -1, fmt.Errorf("%w: the number of %s is %s", errOwner, name, text) // Windows has none
	}
	return id, nil
}
