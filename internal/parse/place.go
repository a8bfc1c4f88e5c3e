package parse

import (
	"bytes"

	"errata/internal/jsontree"
)

// This file knows what the place of an object in the body says about it.

// isItem reports whether an object is one of several of its kind: an item of a list, or a member
// under a number, such as that of a phone.
func (o *object) isItem() bool {
	above := o.Parent()
	if above.Kind() == jsontree.Array {
		return true
	}
	if above.Kind() != jsontree.Object {
		return false
	}
	name := bytes.TrimPrefix(nameOf(o.Value), []byte("+"))
	isNumber := len(name) >= minNumber && isDigits(string(name))
	return isNumber || o.isAlike(above.First()) && o.isAlike(above.First().Next())
}

// minNumber is how many digits the number of a phone or an account has at least.
const minNumber = 6

// isAlike reports whether an object begins with the same member as another one, or is the other.
func (o *object) isAlike(other jsontree.Value) bool {
	if other.Kind() != jsontree.Object {
		return false
	}
	mine, its := o.First(), other.First()
	isText := mine.Kind() == jsontree.String && its.Kind() == jsontree.String
	return isText && bytes.Equal(mine.RawKey(), its.RawKey())
}

// placedAsEnvelope reports whether an object is the whole body or an item of it, is under a key
// that names errors, or is in a list of failures. Anywhere else, a code may be that of a country or
// a flavor.
func (o *object) placedAsEnvelope() bool {
	return o.liberal() || o.top() || o.named.is(namedFailures) || o.inErrors()
}

// top reports whether an object is the body, an item of the list that is the body, the outermost
// XML element, or the only member of the body, with the name of a response.
func (o *object) top() bool {
	above := o.Parent()
	switch {
	case above.Kind() == jsontree.Missing:
		return true
	case above.Parent().Kind() != jsontree.Missing:
		return false
	case above.Kind() == jsontree.Array, o.p.isXML:
		return true
	}
	return o.named.is(namedAnswer) && onlyMember(above) == o.Value
}

// wrapsError reports whether the object's key means the error itself or an answer that says what it
// was.
func (o *object) wrapsError() bool {
	if o.named.is(namedError) {
		return true
	}
	var buffer [maxRoleName]byte
	name := plainName(nameOf(o.Value), &buffer)
	isPart := bytes.HasPrefix(name, []byte("error")) && endsWithAny(name, errorParts)
	return isPart || bytes.HasSuffix(name, []byte("error"))
}

// errorParts end the names of the parts of an answer that say what failed: errorDetails.
var errorParts = []string{"response", "details", "data", "body", "object", "section"}

// isErrorElement reports whether an object is an XML element with a name such as rpc-error.
func (o *object) isErrorElement() bool {
	var buffer [maxRoleName]byte
	name := plainName(nameOf(o.Value), &buffer)
	return o.p.isXML && bytes.HasSuffix(name, []byte("error")) && !bytes.HasPrefix(name, []byte("last"))
}

// isException reports whether an object is an XML element with a text that is named for an
// exception: <ServiceException code="LayerNotDefined">…
func (o *object) isException() bool {
	if !o.p.isXML || o.Get(xmlText).Kind() == jsontree.Missing {
		return false
	}
	name := bytes.ToLower(nameOf(o.Value))
	if above := o.Parent(); string(name) == "message" && (o.holdsFailures(above) || o.holdsFailures(above.Parent())) {
		return true
	}
	return endsWithAny(name, []string{"exception", "error", "fault"})
}

// isOutcome reports whether an object may say how the call went: by its place, or in XML by its
// name.
func (o *object) isOutcome() bool {
	return o.top() || o.isHead() && !o.keys.has(keyStatus) || o.p.isXML && !o.isRecord()
}

// isHead reports whether an object is the part of an answer that says how the call went, at most
// two objects deep.
func (o *object) isHead() bool {
	above := o.Parent()
	return above.Kind() == jsontree.Object && above.Parent().Parent().Kind() == jsontree.Missing && o.named.is(namedHead)
}

// inErrors reports whether the object is an item of a list that is named for failures.
func (o *object) inErrors() bool {
	above := o.Parent()
	return above.Kind() == jsontree.Array && o.holdsFailures(above)
}

// isItemOf reports whether the object is an item of a list with a name.
func (o *object) isItemOf(list string) bool {
	above := o.Parent()
	return above.Kind() == jsontree.Array && above.KeyIs(list)
}

// nestsError reports whether the error of an object is an object of its own, which says more.
func (o *object) nestsError() bool { return o.get(keyError).Kind() == jsontree.Object }

// standsAlone reports whether the object is in a list of failures, and no envelope around the list
// covers it.
func (o *object) standsAlone() bool { return o.inErrors() && !o.p.covers(o.Parent().Parent()) }

// isAnswer reports whether an object is the answer itself or the part of it that says how the call
// went.
func (o *object) isAnswer() bool {
	if o.top() || o.isHead() {
		return true
	}
	above := o.Parent()
	return above.Kind() == jsontree.Object && above.Parent().Parent().Parent().Kind() == jsontree.Missing && o.named.is(namedAnswer)
}

// isAllOf reports whether a list, or an element of XML, is all that the body holds.
func isAllOf(list jsontree.Value) bool {
	above := list.Parent()
	for m := above.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		if string(nameOf(m)) != string(nameOf(list)) {
			return false
		}
	}
	return above.Parent().Parent().Kind() == jsontree.Missing
}

// holdsFailures reports whether the name of a value says that it holds failures.
func (o *object) holdsFailures(v jsontree.Value) bool { return o.p.names.of(v).is(namedFailures) }
