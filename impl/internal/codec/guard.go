package codec

import "fmt"

// guarded calls a parser of another library and makes an error of its panic:
// what it is given comes from strangers.
func guarded(what string, parse func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("codec: %s cannot be read: %v", what, p)
		}
	}()
	if err := parse(); err != nil {
		return fmt.Errorf("codec: %s cannot be read: %w", what, err)
	}
	return nil
}
