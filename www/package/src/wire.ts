export interface RankContext { device?: string; utc_offset_minutes?: number }
export interface RankResponse { items: { item_id: string; index: number; score: number }[] }
export interface ShopEvent { id?: string; time?: string | Date; timestamp_micros?: number; name: string; params?: unknown }
export interface ModelInfo { digest: string }
export interface ModelInput { name: string }
export interface Product { item_id: string }
