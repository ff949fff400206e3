/** A change of the labels of a message or a thread. */
import { type Static, Type } from 'typebox'
import type { LabelChange } from '../../../../../mail/messages/labels/label-rules.ts'
import { readList } from './outgoing-wire.ts'
import { label, labelRules } from './request-texts.ts'
import { named } from './shape-wire.ts'

const Label = Type.String({ rule: label })
const labelList = Type.Optional(Type.Union([Label, Type.Array(Label), Type.Null()]))

export const LabelsBody = Type.Object({ add_labels: labelList, remove_labels: labelList })

/** @param title name of the component in the API description */
export function labelsBody(title: string) {
  return named(title, LabelsBody.properties)
}

export const labelChangeRules = [...labelRules, 'Name at least one label to add or to remove']

export function readLabelChange(body: Static<typeof LabelsBody>): LabelChange {
  return { add: readList(body.add_labels ?? undefined), remove: readList(body.remove_labels ?? undefined) }
}
