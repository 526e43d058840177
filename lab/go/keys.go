// Package sealed reads sealed sessions of format version 1. It was written from SPEC.md alone. Bytes are strings here.
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
	entry     = regexp.MustCompile(`^(?:(?:(seal|open) )?(\S+)|(seal) (\S+) from=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ))$`)
)

func mac(key, message string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(message))
	return string(h.Sum(nil))
}

func expand(key, info string, length int) string { return mac(key, info+"\x01")[:length] }

func lp(text string) string { return string([]byte{byte(len(text))}) + text }

func u64(n int) string { return string(binary.BigEndian.AppendUint64(nil, uint64(n))) }

func u32(n int64) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }

func number(bytes string) int64 { return int64(binary.BigEndian.Uint32([]byte(bytes))) }

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
	ring, seals, bare := map[string]string{}, map[int64]bool{}, false
	for _, line := range separator.Split(comment.ReplaceAllString(text, ""), -1) {
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
			from, _ = time.Parse(time.RFC3339, found[5]) // the year 1 if it is none
		}
		id, opens := expand(root, "key id", 4), found[1] == "open"
		if root == "" || ring[id] != "" || !opens && seals[from.Unix()] || from.Unix() <= 0 && found[5] != "" {
			return nil
		}
		ring[id], bare = root, bare || found[1]+found[3] == ""
		seals[from.Unix()] = seals[from.Unix()] || !opens
	}
	if !seals[0] || bare && len(ring) > 1 {
		return nil
	}
	return ring
}
