package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"maru.example/maru"
)

// MaxNickname is the longest nickname, in characters (code points) after
// normalisation.
const MaxNickname = 32

// Nickname is s as a nickname: without Unicode white space at its ends and in
// normalisation form C (UAX #15). Nicknames are compared byte for byte, letter
// case counts. The error's code is CodeBadNickname if s
//
//   - is not valid UTF-8, or contains U+FFFD, which stands where some was not;
//   - has less than 1 or more than MaxNickname characters then;
//   - contains a control character, a line or paragraph separator, or an invisible
//     format character (Cf: zero-width spaces, writing-direction overrides), which
//     would make two names look the same. Only U+200D is taken, between emoji;
//   - has no visible character: only marks, blanks and fillers.
func Nickname(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", badNickname("is not valid UTF-8")
	}
	s = norm.NFC.String(strings.TrimSpace(s))
	switch n := utf8.RuneCountInString(s); {
	case n == 0:
		return "", badNickname("is empty")
	case n > MaxNickname:
		return "", badNickname("has more than 32 characters")
	}
	visible := false
	var before rune
	for i, c := range s {
		if forbidden(c) && !(c == zeroWidthJoiner && joinsEmoji(before, s[i+utf8.RuneLen(c):])) {
			return "", badNickname("contains a control or invisible character")
		}
		visible = visible || inked(c)
		before = c
	}
	if !visible {
		return "", badNickname("has no visible character")
	}
	return s, nil
}

const (
	zeroWidthJoiner   = '\u200d'
	emojiPresentation = '\ufe0f'
	brailleBlank      = '\u2800'
)

func forbidden(c rune) bool {
	return c == utf8.RuneError || unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// joinsEmoji reports whether a joiner between before and the start of after can
// be part of one picture (UTS #51, ZWJ sequence): 👩‍💻, ❤️‍🔥, 👩🏽‍🚀.
func joinsEmoji(before rune, after string) bool {
	next, _ := utf8.DecodeRuneInString(after)
	return next != utf8.RuneError && unicode.Is(unicode.So, next) && // U+FFFD is a symbol, too
		(before == emojiPresentation || unicode.In(before, unicode.So, unicode.Sk))
}

func inked(c rune) bool {
	return c != brailleBlank && !unicode.In(c,
		unicode.M, unicode.Z, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point)
}

func badNickname(what string) error {
	return maru.NewError(maru.CodeBadNickname, "the nickname "+what)
}
