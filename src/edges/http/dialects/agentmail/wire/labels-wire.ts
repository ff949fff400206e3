/** A change of the labels of a message or a thread. */
import { type Static, Type } from 'typebox'
import type { LabelChange } from '../../../../../mail/messages/labels/label-rules.ts'
import { readList } from './outgoing-wire.ts'

const labelList = Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())]))

export const LabelsBody = Type.Object({ add_labels: labelList, remove_labels: labelList })

export function readLabelChange(body: Static<typeof LabelsBody>): LabelChange {
  return { add: readList(body.add_labels), remove: readList(body.remove_labels) }
}
