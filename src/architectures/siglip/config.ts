/** What a SigLIP vision tower says in its config, with the defaults of transformers' SiglipVisionConfig. */
import type { ConfigReader } from '../../formats/checkpoint/config.ts';
import { readVisionTower, type VisionTowerConfig } from '../config-shapes.ts';

export type SiglipVisionConfig = VisionTowerConfig;

/** @throws VlmError VC1201 to VC1204, VC1232 for another model_type */
export function readSiglipVisionConfig(reader: ConfigReader): SiglipVisionConfig {
  return readVisionTower(reader, {
    modelType: 'siglip_vision_model',
    patch: 16,
    activation: 'gelu_pytorch_tanh',
    epsilon: 1e-6,
  });
}
