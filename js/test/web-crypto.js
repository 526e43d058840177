// Before any other module (`node --import`): Node as it was before it had `getBuiltinModule`, so that the module uses
// WebCrypto.

delete process.getBuiltinModule
