/** What a CLIP vision tower says in its config, with the defaults of transformers' CLIPVisionConfig. */
import type { ConfigReader } from '../../formats/checkpoint/config.ts';
import { readVisionTower, type VisionTowerConfig } from '../config-shapes.ts';

export type ClipVisionConfig = VisionTowerConfig;

/** @throws VlmError VC1201 to VC1204, VC1232 for another model_type */
export function readClipVisionConfig(reader: ConfigReader): ClipVisionConfig {
  return readVisionTower(reader, {
    modelType: 'clip_vision_model',
    patch: 32,
    activation: 'quick_gelu',
    epsilon: 1e-5,
  });
}
