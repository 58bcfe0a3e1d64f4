package definitions

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/evenkeel/evenkeel/internal/secret"
)

// keyLen is the length of a key in bytes: AES-256.
const keyLen = 32

// loadKey reads the key, as hexadecimal digits. It makes one where there is none and nothing that needs another.
func loadKey(file string, mayMake bool) (cipher.AEAD, error) {
	text, err := secret.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		if !mayMake {
			return nil, fmt.Errorf("its key file %s is missing, and without it nothing in it can be read: bring it back from a backup or from the other server; if it is lost for good, move the store away to begin a new one", file)
		}
		text, err = makeKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != keyLen {
		return nil, fmt.Errorf("key file: %s does not hold %d hexadecimal digits; bring it back from a backup", file, 2*keyLen)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// makeKey writes a new key and returns it when it is on disk.
func makeKey(file string) (string, error) {
	key := make([]byte, keyLen)
	rand.Read(key) // it never fails
	text := hex.EncodeToString(key)
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = syncDir(filepath.Dir(file))
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("make %s: %w", file, err), os.Remove(file))
	}
	return text, nil
}
