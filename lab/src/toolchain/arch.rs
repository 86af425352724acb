//! Architectures, and what Debian, the kernel, compilers and QEMU call them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a guest runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    Arm64,
    Arm,
    #[serde(rename = "x86_64")]
    X86_64,
    /// User-mode Linux on an x86_64 machine: the kernel is a program, run inside the
    /// toolchain root.
    Um,
}

impl Arch {
    /// Debian's name.
    pub fn debian(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::Arm => "armhf",
            Self::X86_64 | Self::Um => "amd64",
        }
    }

    /// The kernel's `ARCH=`.
    pub fn kernel(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::Arm => "arm",
            Self::X86_64 => "x86_64",
            Self::Um => "um",
        }
    }

    /// The C compiler's `--target=`.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-linux-gnu",
            Self::Arm => "arm-linux-gnueabihf",
            Self::X86_64 | Self::Um => "x86_64-linux-gnu",
        }
    }

    /// The emulator's program name; of User-mode Linux, which needs none, the
    /// machine's that it is made for.
    pub fn qemu(self) -> &'static str {
        match self {
            Self::Arm64 => "qemu-system-aarch64",
            Self::Arm => "qemu-system-arm",
            Self::X86_64 | Self::Um => "qemu-system-x86_64",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kernel())
    }
}
