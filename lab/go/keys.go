// Package sealed reads sealed sessions of format version 1. It was written from SPEC.md alone.
package sealed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"
)

var (
	printable = regexp.MustCompile(`^[ -~]*$`)
	comment   = regexp.MustCompile(`#[^\n]*`)
	separator = regexp.MustCompile(`[\n;]`)
	rfc3339   = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)`
	entry     = regexp.MustCompile(`^(?:(open|seal) (\S+)|(seal) (\S+) from=(` + rfc3339 + `))$`)
)

// Bytes are strings in this package.
func mac(key, message string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(message))
	return string(h.Sum(nil))
}

func expand(key, info string, length int) string { return mac(key, info+"\x01")[:length] }
func lp(text string) string                      { return string([]byte{byte(len(text))}) + text }
func u32(n int64) string                         { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }
func u64(n int) string                           { return string(binary.BigEndian.AppendUint64(nil, uint64(n))) }
func number(bytes string) int64                  { return int64(binary.BigEndian.Uint32([]byte(bytes))) }

// ParseKey gives the root of a written secret, or nothing if it is refused.
func ParseKey(text string) string {
	parts := strings.Split(text, "_")
	secret, _ := hex.DecodeString(parts[len(parts)-1])
	root := mac("sealed-session/v1", string(secret))
	if len(secret) != 32 || text != fmt.Sprintf("sealed1_%x_%x", expand(root, "key id", 4), secret) {
		return ""
	}
	return root
}

// RawSecret gives the root of a secret that came as bytes, or nothing if it is refused.
func RawSecret(secret string) string {
	distinct := map[byte]bool{}
	for i := range []byte(secret) {
		distinct[secret[i]] = true
	}
	if len(secret) != 32 || printable.MatchString(secret) || len(distinct) < 17 {
		return ""
	}
	return mac("sealed-session/v1", secret)
}

// ParseRing gives the roots of a written key ring by their key ids, or nothing if it is refused.
func ParseRing(text string) map[string]string {
	ring, seals := map[string]string{}, map[int64]bool{}
	text = comment.ReplaceAllString(text, "")
	if bare := strings.Fields(separator.ReplaceAllString(text, " ")); len(bare) == 1 {
		text = "seal " + bare[0]
	}
	for _, line := range separator.Split(text, -1) {
		words := strings.Join(strings.Fields(line), " ")
		if words == "" {
			continue
		}
		found := entry.FindStringSubmatch(words)
		if found == nil {
			return nil
		}
		root, from := ParseKey(found[2]+found[4]), time.Unix(0, 0)
		if found[5] != "" {
			from, _ = time.Parse(time.RFC3339, found[5]) // the year 1 if there is no such time
		}
		id, role := expand(root, "key id", 4), found[1]+found[3]
		if root == "" || ring[id] != "" || role == "seal" && seals[from.Unix()] || found[5] != "" && from.Unix() <= 0 {
			return nil
		}
		ring[id] = root
		seals[from.Unix()] = seals[from.Unix()] || role == "seal"
	}
	if !seals[0] {
		return nil
	}
	return ring
}

// ParseRevocations gives the cut-off of a list and the ids that it revokes at this time, or nothing if it is refused.
func ParseRevocations(list string, now int64) (cutOff int64, ids map[string]bool) {
	if len(list) < 17 || len(list)%12 != 5 || list[:5] != "SSRL\x01" || list[9:17] != u64(len(list)/12-1) {
		return 0, nil
	}
	ids = map[string]bool{}
	for i := 17; i < len(list); i += 12 {
		if i > 17 && list[i-12:i-4] >= list[i:i+8] {
			return 0, nil
		}
		if number(list[i+8:]) > now {
			ids[list[i:i+8]] = true
		}
	}
	return number(list[5:]), ids
}
