//! What a store that lies over another one leaves to that.

/// Writes out methods of a store that do what the store below does: `forward!(inner: open, facts);` with the field that
/// holds that.
macro_rules! forward {
    ($below:tt: $($method:ident),+) => {
        $($crate::store::forward::method!($below $method);)+
    };
}
pub(crate) use forward;

macro_rules! method {
    ($below:tt create) => {
        fn create(
            &self,
            name: &$crate::store::ObjectName,
            bytes: &[u8],
        ) -> Result<$crate::store::Created, $crate::store::StoreError> {
            self.$below.create(name, bytes)
        }
    };
    ($below:tt spool) => {
        fn spool(
            &self,
            session: $crate::id::SessionId,
        ) -> Result<Box<dyn $crate::store::Spool>, $crate::store::StoreError> {
            self.$below.spool(session)
        }
    };
    ($below:tt mend) => {
        fn mend(
            &self,
            name: &$crate::store::ObjectName,
            proof: $crate::store::Proof,
        ) -> Result<Box<dyn $crate::store::Spool>, $crate::store::StoreError> {
            self.$below.mend(name, proof)
        }
    };
    ($below:tt read) => {
        fn read(
            &self,
            name: &$crate::store::ObjectName,
            limit_bytes: u64,
        ) -> Result<Vec<u8>, $crate::store::StoreError> {
            self.$below.read(name, limit_bytes)
        }
    };
    ($below:tt open) => {
        fn open(
            &self,
            name: &$crate::store::ObjectName,
        ) -> Result<Box<dyn $crate::store::Object>, $crate::store::StoreError> {
            self.$below.open(name)
        }
    };
    ($below:tt list) => {
        fn list(
            &self,
            folder: $crate::store::Folder,
            each: &mut dyn FnMut($crate::store::Listed),
        ) -> Result<(), $crate::store::StoreError> {
            self.$below.list(folder, each)
        }
    };
    ($below:tt remove_all) => {
        fn remove_all(
            &self,
            names: &[$crate::store::ObjectName],
        ) -> Result<Vec<$crate::store::ObjectName>, $crate::store::StoreError> {
            self.$below.remove_all(names)
        }
    };
    ($below:tt sweep_temporaries) => {
        fn sweep_temporaries(
            &self,
            may_go: &dyn Fn(Option<$crate::id::SessionId>) -> bool,
        ) -> Result<u64, $crate::store::StoreError> {
            self.$below.sweep_temporaries(may_go)
        }
    };
    ($below:tt keep_reserve) => {
        fn keep_reserve(&self) -> Result<(), $crate::store::StoreError> {
            self.$below.keep_reserve()
        }
    };
    ($below:tt give_up_reserve) => {
        fn give_up_reserve(&self) -> Result<bool, $crate::store::StoreError> {
            self.$below.give_up_reserve()
        }
    };
    ($below:tt free_bytes) => {
        fn free_bytes(&self) -> Result<Option<u64>, $crate::store::StoreError> {
            self.$below.free_bytes()
        }
    };
    ($below:tt is_writable) => {
        fn is_writable(&self, folder: $crate::store::Folder) -> bool {
            self.$below.is_writable(folder)
        }
    };
    ($below:tt is_mirror) => {
        fn is_mirror(&self) -> Result<bool, $crate::store::StoreError> {
            self.$below.is_mirror()
        }
    };
    ($below:tt mark_mirror) => {
        fn mark_mirror(&self) -> Result<(), $crate::store::StoreError> {
            self.$below.mark_mirror()
        }
    };
    ($below:tt facts) => {
        fn facts(&self) -> Result<$crate::store::StoreFacts, $crate::store::StoreError> {
            self.$below.facts()
        }
    };
    ($below:tt describe) => {
        fn describe(&self) -> String {
            self.$below.describe()
        }
    };
}
pub(crate) use method;
