// Package bounded keeps maps small that only save a repetition, such as caches.
package bounded

// Put sets the value of a key in a map of at most most entries. If the map is full and does not
// have the key, Put first removes any other entry. It makes a nil map.
func Put[K comparable, V any](m *map[K]V, most int, key K, value V) {
	if *m == nil {
		*m = make(map[K]V)
	}
	if _, known := (*m)[key]; !known && len(*m) >= most {
		for other := range *m {
			delete(*m, other)
			break
		}
	}
	(*m)[key] = value
}
