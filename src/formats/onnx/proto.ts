/**
 * TypeScript views of the ONNX messages that decode and encode work on (fields in camelCase, all optional as in
 * proto2). Messages that are only carried through (training_info, device configurations, annotations) have no
 * view. The number lists of TensorProto stand as their wire bytes: see schema.ts.
 */

/** An int64 as protobufjs gives it: two halves beyond what its number form would hold. */
export interface Long {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

export type WireInt = number | Long;

/** Unknown fields, as the bytes that stood in the file (tag included). */
interface Unknowns {
  $unknowns?: readonly Uint8Array[];
}

export interface StringStringEntryProto extends Unknowns {
  key?: string;
  value?: string;
}

export interface OperatorSetIdProto extends Unknowns {
  domain?: string;
  version?: WireInt;
}

export interface DimensionProto extends Unknowns {
  dimValue?: WireInt;
  dimParam?: string;
  denotation?: string;
}

export interface TensorTypeProto extends Unknowns {
  elemType?: number;
  shape?: ({ dim?: readonly DimensionProto[] } & Unknowns) | null;
}

export interface TypeProto extends Unknowns {
  tensorType?: TensorTypeProto | null;
  sparseTensorType?: TensorTypeProto | null;
  sequenceType?: ({ elemType?: TypeProto | null } & Unknowns) | null;
  optionalType?: ({ elemType?: TypeProto | null } & Unknowns) | null;
  mapType?: ({ keyType?: number; valueType?: TypeProto | null } & Unknowns) | null;
  opaqueType?: object | null;
  denotation?: string;
}

export interface ValueInfoProto extends Unknowns {
  name?: string;
  type?: TypeProto | null;
  docString?: Uint8Array;
  metadataProps?: readonly StringStringEntryProto[];
}

export interface TensorProto extends Unknowns {
  dims?: readonly WireInt[];
  dataType?: number;
  segment?: object | null;
  name?: string;
  docString?: Uint8Array;
  rawData?: Uint8Array;
  /** In place of a large rawData that was left in the file: see scan.ts. */
  cut?: Uint8Array;
  floatData?: readonly Uint8Array[];
  int32Data?: readonly Uint8Array[];
  int64Data?: readonly Uint8Array[];
  doubleData?: readonly Uint8Array[];
  uint64Data?: readonly Uint8Array[];
  stringData?: readonly Uint8Array[];
  externalData?: readonly StringStringEntryProto[];
  dataLocation?: number;
  metadataProps?: readonly StringStringEntryProto[];
}

export interface SparseTensorProto extends Unknowns {
  values?: TensorProto | null;
  indices?: TensorProto | null;
  dims?: readonly WireInt[];
}

export interface AttributeProto extends Unknowns {
  name?: string;
  refAttrName?: string;
  docString?: Uint8Array;
  type?: number;
  f?: number;
  i?: WireInt;
  s?: Uint8Array;
  t?: TensorProto | null;
  g?: GraphProto | null;
  sparseTensor?: SparseTensorProto | null;
  tp?: TypeProto | null;
  floats?: readonly number[];
  ints?: readonly WireInt[];
  strings?: readonly Uint8Array[];
  tensors?: readonly TensorProto[];
  graphs?: readonly GraphProto[];
  sparseTensors?: readonly SparseTensorProto[];
  typeProtos?: readonly TypeProto[];
}

export interface NodeProto extends Unknowns {
  input?: readonly string[];
  output?: readonly string[];
  name?: string;
  opType?: string;
  domain?: string;
  overload?: string;
  attribute?: readonly AttributeProto[];
  docString?: Uint8Array;
  metadataProps?: readonly StringStringEntryProto[];
  deviceConfigurations?: readonly object[];
}

export interface GraphProto extends Unknowns {
  node?: readonly NodeProto[];
  name?: string;
  initializer?: readonly TensorProto[];
  sparseInitializer?: readonly SparseTensorProto[];
  docString?: Uint8Array;
  input?: readonly ValueInfoProto[];
  output?: readonly ValueInfoProto[];
  valueInfo?: readonly ValueInfoProto[];
  quantizationAnnotation?: readonly object[];
  metadataProps?: readonly StringStringEntryProto[];
}

export interface FunctionProto extends Unknowns {
  name?: string;
  input?: readonly string[];
  output?: readonly string[];
  attribute?: readonly string[];
  attributeProto?: readonly AttributeProto[];
  node?: readonly NodeProto[];
  docString?: Uint8Array;
  opsetImport?: readonly OperatorSetIdProto[];
  domain?: string;
  overload?: string;
  valueInfo?: readonly ValueInfoProto[];
  metadataProps?: readonly StringStringEntryProto[];
}

export interface ModelProto extends Unknowns {
  irVersion?: WireInt;
  opsetImport?: readonly OperatorSetIdProto[];
  producerName?: string;
  producerVersion?: string;
  domain?: string;
  modelVersion?: WireInt;
  docString?: Uint8Array;
  graph?: GraphProto | null;
  metadataProps?: readonly StringStringEntryProto[];
  trainingInfo?: readonly object[];
  functions?: readonly FunctionProto[];
  configuration?: readonly object[];
}
