/**
 * Decides which parts of a message are its body and which are attachments (RFC 2046 §5.1, RFC 2387, RFC 2183).
 *
 * A part belongs to the body only if every mail program would show it as text of the message. All other parts are
 * attachments, so that nothing is lost: signatures, delivery reports and calendar entries are attachments too.
 */
import type { MimePart } from './mime-structure.ts'

export interface SelectedParts {
  /** text/plain parts; their texts are joined in this order. */
  text: MimePart[]
  /** text/html parts, likewise; and text/plain parts that mailing lists add below HTML. */
  html: MimePart[]
  attachments: MimePart[]
}

/**
 * Sorts each leaf of the tree into one of the lists, in the order of the message. A body with a file name is in two: as
 * the body, and as an attachment.
 */
export function selectParts(root: MimePart): SelectedParts {
  if (isLeaf(root)) return selectRoot(root)
  const [first] = leaves(root)
  const selected = select(root)
  // The first text is the message itself, even if it has a file name, unless it is declared to be an attachment.
  const isNamedBody = first && isBodyType(first) && first.disposition !== 'attachment' && hasFile(first)
  return isNamedBody && !selected.html.includes(first) && !selected.text.includes(first)
    ? merge([{ attachments: [], ...bodyOf(first) }, selected])
    : selected
}

/** A message that consists of one text has no other body, whatever its disposition. */
function selectRoot(root: MimePart): SelectedParts {
  // Without a boundary that occurs, the whole body is text.
  if (root.contentType.startsWith('multipart/')) return { text: [root], html: [], attachments: [] }
  // RFC 2046 §4.1.4: text of an unknown subtype, such as text/markdown, is shown as plain text.
  const isText =
    root.contentType.startsWith('text/') && root.disposition !== 'attachment' && root.filename === undefined
  if (!isBodyType(root)) return { ...selectLeaf(root), text: isText ? [root] : [] }
  return { attachments: root.filename === undefined ? [] : [root], ...bodyOf(root) }
}

function bodyOf(part: MimePart): Pick<SelectedParts, 'text' | 'html'> {
  return part.contentType === 'text/html' ? { text: [], html: [part] } : { text: [part], html: [] }
}

function hasFile(part: MimePart): boolean {
  return part.disposition !== undefined && part.filename !== undefined
}

function select(part: MimePart): SelectedParts {
  if (isLeaf(part)) return selectLeaf(part)
  if (part.contentType === 'multipart/alternative') return selectAlternative(part)
  if (part.contentType === 'multipart/related') return selectRelated(part)
  return merge(selectMixed(part.children.map(select)))
}

/**
 * RFC 2046 §5.1.3: the parts of a mixed are independent. Text below a message that is only HTML does not stand for the
 * message: it is the footer of a mailing list. It is shown below the HTML.
 */
function selectMixed(choices: readonly SelectedParts[]): SelectedParts[] {
  const firstBody = choices.find(({ text, html }) => text.length + html.length > 0)
  if (firstBody === undefined || firstBody.text.length > 0) return [...choices]
  return choices.map(({ text, html, attachments }) =>
    html.length === 0
      ? { text: [], html: text, attachments }
      : { text: [], html, attachments: [...attachments, ...text] },
  )
}

function selectLeaf(part: MimePart): SelectedParts {
  const isBody = part.disposition !== 'attachment' && !hasFile(part)
  return {
    text: isBody && part.contentType === 'text/plain' ? [part] : [],
    html: isBody && part.contentType === 'text/html' ? [part] : [],
    attachments: isBody && isBodyType(part) ? [] : [part],
  }
}

/** RFC 2046 §5.1.4: alternatives have the same content, the best one is last. The others become attachments. */
function selectAlternative(part: MimePart): SelectedParts {
  const choices = part.children.map(select)
  const text = choices.findLast((choice) => choice.text.length > 0)
  const html = choices.findLast((choice) => choice.html.length > 0)
  return merge(
    choices.map((choice) => ({
      text: choice === text ? choice.text : [],
      html: choice === html ? choice.html : [],
      attachments: [
        ...(choice === text ? [] : choice.text),
        ...(choice === html ? [] : choice.html),
        ...choice.attachments,
      ],
    })),
  )
}

/** RFC 2387 §3: the root is the part that `start` names, or else the first. The others belong to it, such as images. */
function selectRelated(part: MimePart): SelectedParts {
  const start = part.parameters.get('start')?.replace(/^<|>$/g, '')
  const startPart = start && part.children.find((child) => child.contentId === start)
  const root = startPart || part.children[0]
  return merge(
    part.children.map((child) => {
      if (child === root) return select(child)
      return { text: [], html: [], attachments: leaves(child) }
    }),
  )
}

function leaves(part: MimePart): MimePart[] {
  return isLeaf(part) ? [part] : part.children.flatMap(leaves)
}

function isLeaf(part: MimePart): boolean {
  return part.children.length === 0
}

function isBodyType(part: MimePart): boolean {
  return part.contentType === 'text/plain' || part.contentType === 'text/html'
}

function merge(selections: readonly SelectedParts[]): SelectedParts {
  return {
    text: selections.flatMap((each) => each.text),
    html: selections.flatMap((each) => each.html),
    attachments: selections.flatMap((each) => each.attachments),
  }
}
