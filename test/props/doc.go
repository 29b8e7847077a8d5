// Package props has what tests, and the programs beside them, need on their stage: an address nobody listens at, a buffer that may be
// read while it is written, patience, and an identity provider. It knows nothing of the product.
package props
