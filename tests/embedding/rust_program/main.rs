// activate NUMBER < z > y_and_d: float32 pre-activations in, phi(z) and then phi'(z) out; NUMBER as in fastgrad/abi.h.
use std::io::{Read, Write};
use std::os::raw::{c_char, c_int};

type One = extern "C" fn(c_int, usize, *const f32, f32, *mut f32) -> c_int;
type OneF64 = extern "C" fn(c_int, usize, *const f64, f64, *mut f64) -> c_int;
type Two = extern "C" fn(c_int, usize, *const f32, f32, *mut f32, *mut f32) -> c_int;

/// The head of `fastgrad_table` in fastgrad/abi.h: as many fields as are used; they never move.
#[repr(C)]
struct Fastgrad {
    abi: u32,
    size: u32,
    version: *const c_char,
    cpu: *const c_char,
    value_f32: One,
    value_f64: OneF64,
    derivative_f32: One,
    derivative_f64: OneF64,
    value_and_derivative_f32: Two,
}

extern "C" {
    fn fastgrad_table_for_rust() -> &'static Fastgrad;
}

fn main() -> std::io::Result<()> {
    let fastgrad = unsafe { fastgrad_table_for_rust() };
    assert!(fastgrad.abi == 1 && fastgrad.size as usize >= std::mem::size_of::<Fastgrad>());
    let activation = std::env::args().nth(1).map_or(1, |text| text.parse().expect("a number"));
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let z: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect();
    let (mut y, mut d) = (vec![0f32; z.len()], vec![0f32; z.len()]);
    let (to_y, to_d) = (y.as_mut_ptr(), d.as_mut_ptr());
    if (fastgrad.value_and_derivative_f32)(activation, z.len(), z.as_ptr(), 1.0, to_y, to_d) != 0 {
        eprintln!("fastgrad has no activation {activation}");
        std::process::exit(2);
    }
    let out: Vec<u8> = y.iter().chain(&d).flat_map(|number| number.to_ne_bytes()).collect();
    std::io::stdout().write_all(&out)
}
